#include "data/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/error.h"

namespace fovea {
namespace {

std::size_t pixel_count(const Image& image) {
  return static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width);
}

Image blank(int height, int width) {
  Image image{height, width, 3, {}};
  image.pixels.resize(3 * pixel_count(image));
  return image;
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
}

Image colored(const Tensor<float>& map, const Colormap& colors) {
  Image image = blank(static_cast<int>(map.shape[0]), static_cast<int>(map.shape[1]));
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    const auto rgb = colors(map.values[i]);
    std::copy(rgb.begin(), rgb.end(), image.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  return image;
}

float divisor(std::span<const float> values, Normalization normalization) {
  if (normalization == Normalization::kNone) return 1;
  float highest = 0, largest = 0;
  for (const float v : values)
    highest = std::max(highest, v), largest = std::max(largest, std::abs(v));
  return normalization == Normalization::kMax && highest > 0 ? highest : largest;
}

}  // namespace

Tensor<float> normalized_map(TensorView<const float> relevance, Normalization normalization) {
  const int rank = relevance.shape.rank();
  require((rank == 2 || rank == 3) && relevance.count() > 0, "relevance has shape ",
          relevance.shape, ", expected channels x height x width");
  const std::int64_t channels = rank == 3 ? relevance.shape[0] : 1;
  const std::int64_t height = relevance.shape[rank - 2], width = relevance.shape[rank - 1];
  Tensor<float> map(Shape{height, width});
  const std::int64_t area = height * width;
  for (std::int64_t i = 0; i < area; ++i) {
    double sum = 0;
    for (std::int64_t c = 0; c < channels; ++c) sum += relevance[c * area + i];
    const auto value = static_cast<float>(sum);
    map.values[static_cast<std::size_t>(i)] = std::isfinite(value) ? value : 0.0F;
  }
  const float scale = divisor(map.values, normalization);
  for (float& v : map.values) v = scale > 0 ? std::clamp(v / scale, -1.0F, 1.0F) : 0.0F;
  return map;
}

Image heatmap(TensorView<const float> relevance, const Colormap& map, Normalization normalization) {
  return colored(normalized_map(relevance, normalization), map);
}

Image overlay(const Image& image, TensorView<const float> relevance, const Colormap& map,
              Normalization normalization) {
  Tensor<float> values = normalized_map(relevance, normalization);
  require(values.shape == Shape{image.height, image.width}, "relevance of ", values.shape,
          " pixels for an image of ", image.height, "x", image.width, ", expected equal sizes");
  const Image colors = colored(values, map);
  for (float& v : values.values) v = std::sqrt(std::abs(v));
  return blended(grayed(image), colors, values.values);
}

Image grayed(const Image& image) {
  Image gray = blank(image.height, image.width);
  for (std::size_t i = 0; i < pixel_count(image); ++i) {
    const std::uint8_t* p = image.pixels.data() + i * static_cast<std::size_t>(image.channels);
    const std::uint8_t level = image.channels == 1 ? p[0]
                                                   : to_byte(0.299F * static_cast<float>(p[0]) +
                                                             0.587F * static_cast<float>(p[1]) +
                                                             0.114F * static_cast<float>(p[2]));
    for (std::size_t c = 0; c < 3; ++c) gray.pixels[3 * i + c] = level;
  }
  return gray;
}

Image blended(const Image& below, const Image& above, std::span<const float> alpha) {
  expects(below.channels == 3 && above.channels == 3 && below.height == above.height &&
              below.width == above.width && alpha.size() == pixel_count(below),
          "pictures of one size are blended");
  Image out = blank(below.height, below.width);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    const auto low = static_cast<float>(below.pixels[i]),
               high = static_cast<float>(above.pixels[i]);
    out.pixels[i] = to_byte(low + alpha[i / 3] * (high - low));
  }
  return out;
}

Image enlarged(const Image& image, int factor) {
  expects(factor >= 1, "a picture is enlarged by 1 or more");
  Image out{image.height * factor, image.width * factor, image.channels, {}};
  const auto channels = static_cast<std::size_t>(image.channels);
  out.pixels.resize(pixel_count(out) * channels);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < out.height; ++y) {
    const std::uint8_t* row = image.pixels.data() + static_cast<std::size_t>(y / factor) *
                                                        static_cast<std::size_t>(image.width) *
                                                        channels;
    for (int x = 0; x < out.width; ++x, to += channels) {
      std::memcpy(to, row + static_cast<std::size_t>(x / factor) * channels, channels);
    }
  }
  return out;
}

Image grid(std::span<const Image> images, int columns, int gap,
           std::array<std::uint8_t, 3> background) {
  expects(columns >= 1 && gap >= 0 && !images.empty(), "a grid has pictures and columns");
  int cell_height = 0, cell_width = 0;
  for (const Image& image : images) {
    expects(image.channels == 3, "a grid's pictures have three channels");
    cell_height = std::max(cell_height, image.height);
    cell_width = std::max(cell_width, image.width);
  }
  const int count = static_cast<int>(images.size());
  const int used = std::min(columns, count), rows = (count + columns - 1) / columns;
  Image out = blank(rows * cell_height + (rows - 1) * gap, used * cell_width + (used - 1) * gap);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) out.pixels[i] = background[i % 3];
  for (int i = 0; i < count; ++i) {
    const Image& image = images[static_cast<std::size_t>(i)];
    const int top = i / columns * (cell_height + gap), left = i % columns * (cell_width + gap);
    const auto row_bytes = 3 * static_cast<std::size_t>(image.width);
    for (int y = 0; y < image.height; ++y) {
      const auto to = static_cast<std::size_t>(top + y) * static_cast<std::size_t>(out.width) +
                      static_cast<std::size_t>(left);
      std::memcpy(out.pixels.data() + 3 * to,
                  image.pixels.data() + static_cast<std::size_t>(y) * row_bytes, row_bytes);
    }
  }
  return out;
}

}  // namespace fovea
