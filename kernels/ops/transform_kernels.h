// Caffe's data transformer on a device: many windows of uint8 images to the input of a net.
//
//   x (M, C, H, W) uint8, y (N, C, P, Q) float, window n = (image, top, left, mirror):
//   y[n, c, p, q] = (x[image, c', top + p, left + q'] - m[c, top + p, left + q']) * scale
//     q' = mirror ? Q - 1 - q : q,   c' = swap ? C - 1 - c : c (red green blue to blue green red)
// The mean is that of whole images, in the order of y's channels, and is cut where the image is, as
// data/transform.h does on the host. Source: caffe/src/caffe/data_transformer.cu.
#pragma once

#include <cstdint>

#include "kernels/ops/op.h"

namespace fovea {

struct TransformWindow {
  std::int32_t image = 0, top = 0, left = 0, mirror = 0;
};

// m is an image (C, H, W), one value per channel, or one value.
enum class TransformMean : int { kImage, kChannels, kValue };

// All pointers lie in the device's memory. Windows lie inside their images: the caller's business.
struct TransformProblem {
  const std::uint8_t* x = nullptr;
  Shape image;                               // (C, H, W)
  const TransformWindow* windows = nullptr;  // N
  const float* mean = nullptr;
  TransformMean mean_kind = TransformMean::kValue;
  float scale = 1;
  bool swap_channels = false;
  OpTensor y;  // plain or channels-last; does not overlap x
};

}  // namespace fovea
