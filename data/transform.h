// Caffe's data transformer for one image: crop, mean, scale, mirror, from uint8 planes (or the
// float planes of a Datum) to float planes in one pass.
//
//   x (C, H, W) uint8 or float, y (C, P, Q) float:
//   y[c, p, q'] = (x[c, top + p, left + q] - m[c, top + p, left + q]) * scale,   q' = mirror ? Q -
//   1 - q : q
// The mean is that of the whole image, so it is cropped at the same place as the image (before
// mirroring). Source: caffe/src/caffe/data_transformer.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/tensor.h"

namespace fovea {

// What is the same for all images of a run.
struct TransformParams {
  int crop = 0;  // P = Q = crop; 0: the whole image
  // Shape (C, H, W): a mean image in the planes' order; (C): a value per channel; scalar: one value
  // for all.
  Tensor<float> mean = {};
  float scale = 1.F;
};

// Where an image is cut.
struct Window {
  int top = 0, left = 0;
  bool mirror = false;
  bool operator==(const Window&) const = default;
};

// (C, P, Q) for images of shape (C, H, W). Error when the crop is larger than the image or the mean
// has another shape; `what` names the images in it.
[[nodiscard]] Shape transformed_shape(const TransformParams& params, const Shape& image,
                                      const std::string& what);

// Caffe's test crop: the offset is (extent - crop) / 2, rounded down.
[[nodiscard]] Window centre_window(const Shape& image, int crop);

// The ten windows of Caffe's oversample: top left, top right, bottom left, bottom right, centre,
// then their mirrors.
[[nodiscard]] std::vector<Window> oversample_windows(const Shape& image, int crop);

// Fills y, which must not overlap the planes. Requires shapes that transformed_shape accepts and a
// window inside the image.
void transform_image(std::span<const std::uint8_t> planes, const Shape& image,
                     const TransformParams& params, const Window& window, std::span<float> y);
void transform_image(std::span<const float> planes, const Shape& image,
                     const TransformParams& params, const Window& window, std::span<float> y);

}  // namespace fovea
