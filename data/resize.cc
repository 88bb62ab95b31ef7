#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr int kOne = 2048;  // weight 1 in 11-bit fixed point

// Where a target coordinate falls in the source: between `at` and at + 1, with their weights.
struct Tap {
  int at, weight0, weight1;
};

Tap tap(int target, double scale) {
  // float from here on, because OpenCV's is.
  auto position = static_cast<float>((target + 0.5) * scale - 0.5);
  const int at = static_cast<int>(std::floor(position));
  position -= static_cast<float>(at);
  const auto fixed = [](float weight) {
    return static_cast<int>(std::lrint(weight * static_cast<float>(kOne)));  // half to even
  };
  return {at, fixed(1.F - position), fixed(position)};
}

double scale_of(int source, int target) {
  return 1.0 / (static_cast<double>(target) / static_cast<double>(source));
}

// Columns left of the first or right of the last pixel centre take that pixel with weight 1.
std::vector<Tap> column_taps(int source, int target) {
  std::vector<Tap> taps;
  for (int x = 0; x < target; ++x) {
    Tap t = tap(x, scale_of(source, target));
    if (t.at < 0) t = {0, kOne, 0};
    if (t.at >= source - 1) t = {source - 1, kOne, 0};
    taps.push_back(t);
  }
  return taps;
}

template <int kChannels>
void resize_row(const std::uint8_t* row, const std::vector<Tap>& taps, int* out) {
  for (const Tap& t : taps) {
    const std::uint8_t* left = row + std::ptrdiff_t{t.at} * kChannels;
    const std::uint8_t* right = t.weight1 == 0 ? left : left + kChannels;
    for (int c = 0; c < kChannels; ++c) *out++ = left[c] * t.weight0 + right[c] * t.weight1;
  }
}

Image halve(const Image& image) {
  Image half{image.height / 2, image.width / 2, image.channels, {}};
  const auto c = static_cast<std::size_t>(image.channels);
  const std::size_t stride = static_cast<std::size_t>(image.width) * c;
  for (int y = 0; y < half.height; ++y) {
    const std::uint8_t* row = image.pixels.data() + 2 * static_cast<std::size_t>(y) * stride;
    for (std::size_t x = 0; x < static_cast<std::size_t>(half.width); ++x) {
      for (std::size_t k = 0; k < c; ++k) {
        const std::uint8_t* p = row + 2 * x * c + k;
        half.pixels.push_back(
            static_cast<std::uint8_t>((p[0] + p[c] + p[stride] + p[stride + c] + 2) >> 2));
      }
    }
  }
  return half;
}

}  // namespace

Image resize_bilinear(const Image& image, int height, int width) {
  expects(height > 0 && width > 0 && image.height > 0 && image.width > 0, "images are not empty");
  expects(image.channels == 1 || image.channels == 3, "one or three channels");
  if (height == image.height && width == image.width) return image;
  if (image.height == 2 * height && image.width == 2 * width) return halve(image);

  const std::vector<Tap> columns = column_taps(image.width, width);
  const auto row_size = static_cast<std::size_t>(width) * static_cast<std::size_t>(image.channels);
  const auto source_size =
      static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  Image result{height, width, image.channels, {}};
  result.pixels.resize(static_cast<std::size_t>(height) * row_size);

  // The two source rows in use, resized along x; neighbouring target rows often share them.
  std::array<std::vector<int>, 2> rows{std::vector<int>(row_size), std::vector<int>(row_size)};
  std::array<int, 2> held{-1, -1};
  const auto hold = [&](std::size_t slot, int y) {
    if (held[slot] == y) return;
    if (held[1 - slot] == y) {
      std::swap(rows[0], rows[1]);
      std::swap(held[0], held[1]);
      return;
    }
    const std::uint8_t* row = image.pixels.data() + static_cast<std::size_t>(y) * source_size;
    image.channels == 3 ? resize_row<3>(row, columns, rows[slot].data())
                        : resize_row<1>(row, columns, rows[slot].data());
    held[slot] = y;
  };
  for (int y = 0; y < height; ++y) {
    const Tap t = tap(y, scale_of(image.height, height));
    const int y0 = std::clamp(t.at, 0, image.height - 1);
    const int y1 = std::clamp(t.at + 1, 0, image.height - 1);
    hold(0, y0);
    if (y1 != y0) hold(1, y1);
    const int* above = rows[0].data();
    const int* below = y1 == y0 ? above : rows[1].data();
    std::uint8_t* out = result.pixels.data() + static_cast<std::size_t>(y) * row_size;
    for (std::size_t x = 0; x < row_size; ++x) {
      out[x] = static_cast<std::uint8_t>(
          (((t.weight0 * (above[x] >> 4)) >> 16) + ((t.weight1 * (below[x] >> 4)) >> 16) + 2) >> 2);
    }
  }
  return result;
}

}  // namespace fovea
