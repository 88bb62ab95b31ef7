// Colour maps of relevance pictures, by name.
//
// A map takes a value v in [-1, 1] (relevance divided by its largest magnitude; 0 is neutral) to
// red, green, blue in [0, 1]. Each channel is a table of knots over u = (v + 1) / 2, straight lines
// between. Values outside [-1, 1] count as the nearer end, NaN as 0.
//
//   gray-red  black-green  black-firered  blue-black-yellow     of the age and gender study
//   afmhot  jet  seismic  bwr                                   as Matplotlib's, over [-1, 1]
//   coldnhot                                                    as Zennit's
// Source: heatmap_drawing/apply_heatmap.py of Lapuschkin et al., ICCVW 2017; Matplotlib _cm.py.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

struct ColorKnot {
  float u = 0, level = 0;  // both 0..1; u ascending, from 0 to 1
};

struct Colormap {
  std::string_view name;
  std::array<std::span<const ColorKnot>, 3> channels;  // red, green, blue

  // 8 bits per channel, rounded to nearest.
  [[nodiscard]] std::array<std::uint8_t, 3> operator()(float value) const;
};

inline constexpr std::string_view kDefaultColormap = "seismic";

[[nodiscard]] std::span<const Colormap> colormaps();
// Error listing the known names for any other.
[[nodiscard]] const Colormap& find_colormap(std::string_view name);
[[nodiscard]] std::vector<std::string> colormap_names();

}  // namespace fovea
