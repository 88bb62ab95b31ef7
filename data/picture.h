// Pictures of relevance: heatmaps, overlays, colour bars, grids. All pictures are data/image.h
// images with three channels.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/colormap.h"
#include "data/image.h"
#include "engine/core/fields.h"
#include "engine/core/tensor.h"
#include "engine/relevance/pixel_map.h"

namespace fovea {

// Which value is coloured as 1.
enum class MapRange {
  kSymmetric,  // the largest magnitude: the whole map fits, 0 stays neutral
  kAbsolute,   // the same, of a map of magnitudes: its sign is dropped
  kPositive    // the largest value, as the study's gray-red, black-green and blue-black-yellow do;
               // what lies below minus that is cut off. Symmetric where nothing is positive
};
template <>
inline constexpr EnumTable<MapRange, 3> enum_names<MapRange>{{{"symmetric", MapRange::kSymmetric},
                                                              {"absolute", MapRange::kAbsolute},
                                                              {"positive", MapRange::kPositive}}};

struct MapScale {
  ChannelFold channels = ChannelFold::kSum;
  MapRange range = MapRange::kSymmetric;
  float limit = 0;  // the value coloured as 1; 0: the map's own (largest_value)
};

// The value of a pixel map that `range` colours as 1; 0 for a map of zeros.
[[nodiscard]] float largest_value(std::span<const float> map, MapRange range);
// The pixel map divided by its limit, in [-1, 1] ([0, 1] where the range is absolute). A map of
// zeros stays zero.
[[nodiscard]] Tensor<float> normalized_map(TensorView<const float> relevance_chw,
                                           const MapScale& scale = {});

[[nodiscard]] Image heatmap(TensorView<const float> relevance_chw, const Colormap& map,
                            const MapScale& scale = {});

// The heatmap over the image in gray, the more of it the larger the relevance: alpha = sqrt |v|.
// Error when image and relevance differ in height or width.
[[nodiscard]] Image overlay(const Image& image, TensorView<const float> relevance_chw,
                            const Colormap& map, const MapScale& scale = {});

// Three significant digits, as short as it gets: "0.125", "1.2e-05", "0".
[[nodiscard]] std::string short_number(float value);

// An upright bar of the colours from `limit` at the top down to -limit (0 for an absolute range or
// a sequential map), `height` pixels high, with both ends and the middle written beside it.
[[nodiscard]] Image color_bar(const Colormap& map, MapRange range, float limit, int height);

// Image, heatmap, overlay and colour bar side by side on white, small pictures enlarged.
// Without a picture (no pixels) only heatmap and bar. The bar is labelled with the map's limit.
[[nodiscard]] Image panel(const Image& image, TensorView<const float> relevance_chw,
                          const Colormap& map, const MapScale& scale = {});

// Three equal channels: 0.299 R + 0.587 G + 0.114 B. One-channel images are repeated.
[[nodiscard]] Image grayed(const Image& image);
// below + alpha * (above - below) per pixel; alpha holds height * width values in [0, 1].
[[nodiscard]] Image blended(const Image& below, const Image& above, std::span<const float> alpha);
// Every pixel as a square of factor x factor pixels.
[[nodiscard]] Image enlarged(const Image& image, int factor);
// Pictures row by row, `gap` pixels of `background` between them; a cell has the size of the
// largest picture, smaller ones lie in its upper left corner.
[[nodiscard]] Image grid(std::span<const Image> images, int columns, int gap = 4,
                         std::array<std::uint8_t, 3> background = {255, 255, 255});

}  // namespace fovea
