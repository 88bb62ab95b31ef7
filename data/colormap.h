// Colour maps of relevance pictures, by name.
//
// A map takes a value v (relevance divided by its largest magnitude; 0 is neutral) to red, green,
// blue in [0, 1]. Each channel is a table of knots over u in [0, 1], straight lines between.
// Diverging maps lay v in [-1, 1] over it, u = (v + 1) / 2, so that 0 has the colour in the middle;
// sequential maps lay v in [0, 1] over it, u = v, so that 0 and all below have the first colour.
// Values outside count as the nearer end, NaN as 0.
//
//   gray-red  black-green  black-firered  blue-black-yellow     of the age and gender study
//   afmhot  jet  seismic  bwr                                   as Matplotlib's, over [-1, 1]
//   coldnhot  france  coolio  coleus  zennit-seismic            as Zennit's, diverging
//   gray  wred  wblue  hot  cold                                as Zennit's, sequential
// Source: heatmap_drawing/apply_heatmap.py of Lapuschkin et al., ICCVW 2017; Matplotlib _cm.py;
// Zennit's documentation of zennit.image (its seismic is duller than Matplotlib's and has a name of
// its own here).
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
  bool sequential = false;

  // 8 bits per channel, rounded to nearest.
  [[nodiscard]] std::array<std::uint8_t, 3> operator()(float value) const;
};

inline constexpr std::string_view kDefaultColormap = "seismic";

[[nodiscard]] std::span<const Colormap> colormaps();
// Error listing the known names for any other.
[[nodiscard]] const Colormap& find_colormap(std::string_view name);
[[nodiscard]] std::vector<std::string> colormap_names();

}  // namespace fovea
