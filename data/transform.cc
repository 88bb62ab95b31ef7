#include "data/transform.h"

#include <algorithm>
#include <string>

#include "engine/core/error.h"

namespace fovea {
namespace {

// The kinds of row: with a mean per pixel or one value, forwards or mirrored. Plain counted loops
// over pointers that do not alias, which g++ and clang turn into vector code.
template <class T>
void row_minus_image(const T* __restrict x, const float* __restrict mean, float scale, int count,
                     float* __restrict y) {
  for (int q = 0; q < count; ++q) y[q] = (static_cast<float>(x[q]) - mean[q]) * scale;
}

template <class T>
void row_minus_value(const T* __restrict x, float mean, float scale, int count,
                     float* __restrict y) {
  for (int q = 0; q < count; ++q) y[q] = (static_cast<float>(x[q]) - mean) * scale;
}

// In two steps through a buffer in the first-level cache: in one, with two streams read backwards,
// g++ 12 gives code that is six times slower.
template <class T>
void mirrored_row_minus_image(const T* __restrict x, const float* __restrict mean, float scale,
                              int count, float* __restrict y) {
  constexpr int kPart = 256;
  float part[kPart];
  for (int begin = 0; begin < count; begin += kPart) {
    const int size = std::min(kPart, count - begin), from = count - begin - size;
    row_minus_image(x + from, mean + from, scale, size, part);
    for (int q = 0; q < size; ++q) y[begin + q] = part[size - 1 - q];
  }
}

template <class T>
void mirrored_row_minus_value(const T* __restrict x, float mean, float scale, int count,
                              float* __restrict y) {
  for (int q = 0; q < count; ++q) y[q] = (static_cast<float>(x[count - 1 - q]) - mean) * scale;
}

template <class T>
void transform_planes(std::span<const T> planes, const Shape& image, const TransformParams& params,
                      const Window& window, std::span<float> y) {
  const int height = params.crop == 0 ? static_cast<int>(image[1]) : params.crop;
  const int width = params.crop == 0 ? static_cast<int>(image[2]) : params.crop;
  expects(static_cast<std::int64_t>(planes.size()) == image.count(), "planes of the image's shape");
  expects(static_cast<std::int64_t>(y.size()) == image[0] * height * width, "y is (C, P, Q)");
  expects(window.top >= 0 && window.top + height <= image[1] && window.left >= 0 &&
              window.left + width <= image[2],
          "a window inside the image");
  const Tensor<float>& mean = params.mean;
  const bool mean_is_image = mean.shape.rank() == 3;
  float* out = y.data();
  for (std::int64_t c = 0; c < image[0]; ++c) {
    const float value =
        mean_is_image ? 0.F
                      : mean.values[mean.shape.rank() == 0 ? 0U : static_cast<std::size_t>(c)];
    for (int p = 0; p < height; ++p, out += width) {
      const std::int64_t at = (c * image[1] + window.top + p) * image[2] + window.left;
      const T* x = planes.data() + at;
      if (mean_is_image) {
        const float* m = mean.values.data() + at;
        window.mirror ? mirrored_row_minus_image(x, m, params.scale, width, out)
                      : row_minus_image(x, m, params.scale, width, out);
      } else {
        window.mirror ? mirrored_row_minus_value(x, value, params.scale, width, out)
                      : row_minus_value(x, value, params.scale, width, out);
      }
    }
  }
}

}  // namespace

Shape transformed_shape(const TransformParams& params, const Shape& image,
                        const std::string& what) {
  expects(image.rank() == 3, "images are (channels, height, width)");
  require(params.crop >= 0 && params.crop <= image[1] && params.crop <= image[2], "crop of ", what,
          ": ", params.crop, ", expected at most the image's ", image[1], " x ", image[2]);
  const Shape& mean = params.mean.shape;
  require(mean.rank() == 0 || mean == image || mean == Shape{image[0]}, "mean for ", what, ": ",
          mean, ", expected ", image, " or one value per channel");
  if (params.crop == 0) return image;
  return {image[0], params.crop, params.crop};
}

Window centre_window(const Shape& image, int crop) {
  if (crop == 0) return {};
  return {.top = static_cast<int>(image[1] - crop) / 2,
          .left = static_cast<int>(image[2] - crop) / 2};
}

std::vector<Window> oversample_windows(const Shape& image, int crop) {
  const int bottom = crop == 0 ? 0 : static_cast<int>(image[1]) - crop;
  const int right = crop == 0 ? 0 : static_cast<int>(image[2]) - crop;
  std::vector<Window> windows{
      {0, 0}, {0, right}, {bottom, 0}, {bottom, right}, centre_window(image, crop)};
  for (std::size_t i = 0; i < 5; ++i) {
    windows.push_back({windows[i].top, windows[i].left, true});
  }
  return windows;
}

void transform_image(std::span<const std::uint8_t> planes, const Shape& image,
                     const TransformParams& params, const Window& window, std::span<float> y) {
  transform_planes(planes, image, params, window, y);
}

void transform_image(std::span<const float> planes, const Shape& image,
                     const TransformParams& params, const Window& window, std::span<float> y) {
  transform_planes(planes, image, params, window, y);
}

}  // namespace fovea
