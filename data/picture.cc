#include "data/picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "data/ink.h"
#include "data/stroke_font.h"
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

void set_pixel(Image& image, int y, int x, std::array<std::uint8_t, 3> rgb) {
  std::ranges::copy(rgb, image.pixels.begin() + 3 * (std::ptrdiff_t{y} * image.width + x));
}

// Copies `image` to row `top`, column `left` of `out`; both have three channels.
void paste(const Image& image, int top, int left, Image& out) {
  const auto bytes = 3 * static_cast<std::size_t>(image.width);
  for (int y = 0; y < image.height; ++y) {
    const std::ptrdiff_t to = 3 * ((std::ptrdiff_t{top} + y) * out.width + left);
    std::memcpy(out.pixels.data() + to, image.pixels.data() + static_cast<std::size_t>(y) * bytes,
                bytes);
  }
}

// Pictures from left to right on white, `gap` pixels apart.
Image row_of(std::span<const Image> images, int gap) {
  int height = 0, width = -gap;
  for (const Image& image : images) {
    height = std::max(height, image.height);
    width += image.width + gap;
  }
  Image out = blank(height, width);
  std::ranges::fill(out.pixels, std::uint8_t{255});
  int left = 0;
  for (const Image& image : images) {
    paste(image, 0, left, out);
    left += image.width + gap;
  }
  return out;
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

// Values of a pixel map as its scale says: magnitudes or as they are, divided, in [-1, 1].
void normalize(Tensor<float>& map, const MapScale& scale) {
  const float limit = scale.limit > 0 ? scale.limit : largest_value(map.values, scale.range);
  for (float& v : map.values) {
    if (scale.range == MapRange::kAbsolute) v = std::abs(v);
    v = limit > 0 ? std::clamp(v / limit, -1.0F, 1.0F) : 0.0F;
  }
}

}  // namespace

float largest_value(std::span<const float> map, MapRange range) {
  float highest = 0, largest = 0;
  for (const float v : map)
    highest = std::max(highest, v), largest = std::max(largest, std::abs(v));
  return range == MapRange::kPositive && highest > 0 ? highest : largest;
}

Tensor<float> normalized_map(TensorView<const float> relevance, const MapScale& scale) {
  Tensor<float> map = pixel_map(relevance, scale.channels);
  normalize(map, scale);
  return map;
}

Image heatmap(TensorView<const float> relevance, const Colormap& map, const MapScale& scale) {
  return colored(normalized_map(relevance, scale), map);
}

Image overlay(const Image& image, TensorView<const float> relevance, const Colormap& map,
              const MapScale& scale) {
  Tensor<float> values = normalized_map(relevance, scale);
  require(values.shape == Shape{image.height, image.width}, "relevance of ", values.shape,
          " pixels for an image of ", image.height, "x", image.width, ", expected equal sizes");
  const Image colors = colored(values, map);
  for (float& v : values.values) v = std::sqrt(map.sequential ? std::max(v, 0.0F) : std::abs(v));
  return blended(grayed(image), colors, values.values);
}

std::string short_number(float value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", static_cast<double>(value == 0 ? 0 : value));
  return text.data();
}

Image color_bar(const Colormap& map, MapRange range, float limit, int height) {
  constexpr int kBar = 12, kGap = 4, kDigits = 12;  // pixels; the last: how high digits are
  constexpr int kMargin = (kDigits + 2) / 2;        // so that a number's middle is at the end
  constexpr float kEm = static_cast<float>(kDigits) / kCapitalHeight, kPen = kPenWidth * kEm;
  const bool from_zero = map.sequential || range == MapRange::kAbsolute;
  expects(height >= 6 * kMargin, "a colour bar is as high as its three numbers");
  const float low = from_zero ? 0.0F : -1.0F, middle = from_zero ? 0.5F : 0.0F;
  const std::array<std::string, 3> labels{short_number(limit), short_number(middle * limit),
                                          short_number(low * limit)};
  float text = 0;
  for (const std::string& label : labels) text = std::max(text, kEm * text_length(label));
  Image bar = blank(height, kBar + kGap + static_cast<int>(std::ceil(text)));
  std::ranges::fill(bar.pixels, std::uint8_t{255});
  const int colors = height - 2 * kMargin;
  for (int y = 0; y < colors; ++y) {
    const float share = static_cast<float>(y) / static_cast<float>(colors - 1);
    const auto rgb = map(1 + share * (low - 1));
    for (int x = 0; x < kBar; ++x) set_pixel(bar, kMargin + y, x, rgb);
  }
  const std::array<int, 3> middles{kMargin, height / 2, height - kMargin};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::vector<Line> strokes = text_strokes(labels[i]);
    const Point at{kBar + kGap, static_cast<float>(middles[i] + kDigits / 2)};
    for (Line& line : strokes) {
      for (Point& p : line) p = at + kEm * p;
    }
    draw_lines(bar, strokes, {.color = 0x282828, .width = kPen});
  }
  return bar;
}

Image panel(const Image& image, TensorView<const float> relevance, const Colormap& map,
            const MapScale& scale) {
  constexpr int kShortest = 192;  // pixels below which pictures are enlarged
  MapScale fixed = scale;
  if (fixed.limit <= 0)
    fixed.limit = largest_value(pixel_map(relevance, scale.channels).values, scale.range);
  std::vector<Image> parts;
  const Image heat = heatmap(relevance, map, fixed);
  const int factor = std::max(1, (kShortest + heat.height - 1) / heat.height);
  if (!image.pixels.empty()) parts.push_back(enlarged(image, factor));
  parts.push_back(enlarged(heat, factor));
  if (!image.pixels.empty())
    parts.push_back(enlarged(overlay(image, relevance, map, fixed), factor));
  parts.push_back(color_bar(map, scale.range, fixed.limit, parts[0].height));
  return row_of(parts, 8);
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
    paste(image, i / columns * (cell_height + gap), i % columns * (cell_width + gap), out);
  }
  return out;
}

}  // namespace fovea
