// Window arithmetic shared by convolution and pooling.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace fovea {

using Extent2 = std::array<std::int64_t, 2>;  // {rows, columns}

// Convolution: floor((H + 2 pad - R) / stride) + 1.
constexpr std::int64_t convolution_extent(std::int64_t input, std::int64_t kernel,
                                          std::int64_t stride, std::int64_t pad) {
  return (input + 2 * pad - kernel) / stride + 1;
}

// Caffe's pooling: ceil((H + 2 pad - k) / stride) + 1, less one when any axis is padded and the
// last window would start beyond the padded image (Caffe pooling_layer.cpp).
constexpr std::int64_t pooling_extent(std::int64_t input, std::int64_t kernel, std::int64_t stride,
                                      std::int64_t pad, bool any_pad) {
  const std::int64_t span = input + 2 * pad - kernel;
  std::int64_t output = (span + stride - 1) / stride + 1;
  if (any_pad && (output - 1) * stride >= input + pad) --output;
  return output;
}

// Input rows [begin, end) under window `output`, clipped to the image.
struct WindowRange {
  std::int64_t begin, end;
};
constexpr WindowRange clipped_window(std::int64_t output, std::int64_t kernel, std::int64_t stride,
                                     std::int64_t pad, std::int64_t input) {
  const std::int64_t start = output * stride - pad;
  return {std::max<std::int64_t>(start, 0), std::min(start + kernel, input)};
}

// Rows of window `output` clipped to [.., H + pad): Caffe's divisor of average pooling counts
// these.
constexpr std::int64_t padded_window_length(std::int64_t output, std::int64_t kernel,
                                            std::int64_t stride, std::int64_t pad,
                                            std::int64_t input) {
  const std::int64_t start = output * stride - pad;
  return std::min(start + kernel, input + pad) - start;
}

static_assert(pooling_extent(56, 3, 2, 0, false) == 28);   // AdienceNet pool1
static_assert(pooling_extent(112, 3, 2, 0, false) == 56);  // GoogLeNet pool1
static_assert(pooling_extent(55, 3, 2, 0, false) == 27);   // CaffeNet pool1
static_assert(pooling_extent(7, 7, 1, 0, false) == 1);     // GoogLeNet pool5

}  // namespace fovea
