#include "data/colormap.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"
#include "engine/core/fields.h"

namespace fovea {
namespace {

using Knot = ColorKnot;

// What several maps share: names give the level at v = -1, 0, 1.
constexpr Knot kDownUpUp[]{{0, 0}, {0.5F, 1}, {1, 1}};
constexpr Knot kUpUpDown[]{{0, 1}, {0.5F, 1}, {1, 0}};
constexpr Knot kDownUpDown[]{{0, 0}, {0.5F, 1}, {1, 0}};
constexpr Knot kOnlyNegative[]{{0, 1}, {0.5F, 0}, {1, 0}};
constexpr Knot kOnlyPositive[]{{0, 0}, {0.5F, 0}, {1, 1}};
constexpr Knot kNothing[]{{0, 0}, {1, 0}};

// Blue, light gray (0.8), red.
constexpr Knot kGrayRedR[]{{0, 0}, {0.5F, 0.8F}, {1, 1}};
constexpr Knot kGrayRedG[]{{0, 0}, {0.5F, 0.8F}, {1, 0}};
constexpr Knot kGrayRedB[]{{0, 1}, {0.5F, 0.8F}, {1, 0}};

// From black in the middle to red (v = 0.25), yellow (0.5), white (1); to blue, cyan, white below.
constexpr Knot kFireredR[]{{0, 1}, {0.25F, 0}, {0.5F, 0}, {0.625F, 1}, {1, 1}};
constexpr Knot kFireredG[]{{0, 1},      {0.25F, 1}, {0.375F, 0}, {0.5F, 0},
                           {0.625F, 0}, {0.75F, 1}, {1, 1}};
constexpr Knot kFireredB[]{{0, 1}, {0.375F, 1}, {0.5F, 0}, {0.75F, 0}, {1, 1}};

constexpr Knot kAfmhotR[]{{0, 0}, {0.5F, 1}, {1, 1}};
constexpr Knot kAfmhotG[]{{0, 0}, {0.25F, 0}, {0.75F, 1}, {1, 1}};
constexpr Knot kAfmhotB[]{{0, 0}, {0.5F, 0}, {1, 1}};

constexpr Knot kJetR[]{{0, 0}, {0.35F, 0}, {0.66F, 1}, {0.89F, 1}, {1, 0.5F}};
constexpr Knot kJetG[]{{0, 0}, {0.125F, 0}, {0.375F, 1}, {0.64F, 1}, {0.91F, 0}, {1, 0}};
constexpr Knot kJetB[]{{0, 0.5F}, {0.11F, 1}, {0.34F, 1}, {0.65F, 0}, {1, 0}};

constexpr Knot kSeismicR[]{{0, 0}, {0.25F, 0}, {0.5F, 1}, {0.75F, 1}, {1, 0.5F}};
constexpr Knot kSeismicG[]{{0, 0}, {0.25F, 0}, {0.5F, 1}, {0.75F, 0}, {1, 0}};
constexpr Knot kSeismicB[]{{0, 0.3F}, {0.25F, 1}, {0.5F, 1}, {0.75F, 0}, {1, 0}};

// Cyan, blue, black, then red, yellow, white in thirds.
constexpr Knot kColdnhotR[]{{0, 0}, {0.5F, 0}, {2.0F / 3, 1}, {1, 1}};
constexpr Knot kColdnhotG[]{{0, 1}, {0.25F, 0}, {2.0F / 3, 0}, {5.0F / 6, 1}, {1, 1}};
constexpr Knot kColdnhotB[]{{0, 1}, {0.25F, 1}, {0.5F, 0}, {5.0F / 6, 0}, {1, 1}};

// From the first colour to the last; white in the middle of the French flag.
constexpr Knot kUp[]{{0, 0}, {1, 1}};
constexpr Knot kDown[]{{0, 1}, {1, 0}};
constexpr Knot kFull[]{{0, 1}, {1, 1}};
constexpr Knot kFranceR[]{{0, 0}, {0.5F, 1}, {1, 239 / 255.0F}};
constexpr Knot kFranceG[]{{0, 85 / 255.0F}, {0.5F, 1}, {1, 65 / 255.0F}};
constexpr Knot kFranceB[]{{0, 164 / 255.0F}, {0.5F, 1}, {1, 53 / 255.0F}};

// Two hues that meet in a light gray of their own brightness.
constexpr float kDull = 208 / 255.0F;
constexpr Knot kDullUp[]{{0, 0}, {0.5F, kDull}, {1, kDull}};
constexpr Knot kDullDown[]{{0, kDull}, {0.5F, kDull}, {1, 0}};
constexpr Knot kDullPeak[]{{0, 0}, {0.5F, kDull}, {1, 0}};
constexpr Knot kDullFull[]{{0, kDull}, {1, kDull}};

// Thirds of black, red, yellow, white; halves of black, blue, cyan.
constexpr Knot kHotR[]{{0, 0}, {1.0F / 3, 1}, {1, 1}};
constexpr Knot kHotG[]{{0, 0}, {1.0F / 3, 0}, {2.0F / 3, 1}, {1, 1}};
constexpr Knot kHotB[]{{0, 0}, {2.0F / 3, 0}, {1, 1}};
constexpr Knot kColdG[]{{0, 0}, {0.5F, 0}, {1, 1}};
constexpr Knot kColdB[]{{0, 0}, {0.5F, 1}, {1, 1}};

constexpr Colormap kColormaps[]{
    {"gray-red", {kGrayRedR, kGrayRedG, kGrayRedB}},
    {"black-green", {kNothing, kOnlyPositive, kOnlyNegative}},
    {"black-firered", {kFireredR, kFireredG, kFireredB}},
    {"blue-black-yellow", {kOnlyPositive, kOnlyPositive, kOnlyNegative}},
    {"afmhot", {kAfmhotR, kAfmhotG, kAfmhotB}},
    {"jet", {kJetR, kJetG, kJetB}},
    {"seismic", {kSeismicR, kSeismicG, kSeismicB}},
    {"bwr", {kDownUpUp, kDownUpDown, kUpUpDown}},
    {"coldnhot", {kColdnhotR, kColdnhotG, kColdnhotB}},
    {"france", {kFranceR, kFranceG, kFranceB}},
    {"coolio", {kDullUp, kDullDown, kDullFull}},
    {"coleus", {kDullUp, kDullDown, kDullUp}},
    {"zennit-seismic", {kDullUp, kDullPeak, kDullDown}},
    {"gray", {kUp, kUp, kUp}, true},
    {"wred", {kFull, kDown, kDown}, true},
    {"wblue", {kDown, kDown, kFull}, true},
    {"hot", {kHotR, kHotG, kHotB}, true},
    {"cold", {kNothing, kColdG, kColdB}, true},
};

float level_at(std::span<const Knot> knots, float u) {
  std::size_t i = 1;
  while (i + 1 < knots.size() && u > knots[i].u) ++i;
  const Knot &from = knots[i - 1], &to = knots[i];
  return from.level + (u - from.u) / (to.u - from.u) * (to.level - from.level);
}

}  // namespace

std::array<std::uint8_t, 3> Colormap::operator()(float value) const {
  const float v = std::isnan(value) ? 0.0F : std::clamp(value, sequential ? 0.0F : -1.0F, 1.0F);
  const float u = sequential ? v : (v + 1) / 2;
  std::array<std::uint8_t, 3> rgb{};
  for (std::size_t c = 0; c < 3; ++c)
    rgb[c] = static_cast<std::uint8_t>(std::lround(255 * level_at(channels[c], u)));
  return rgb;
}

std::span<const Colormap> colormaps() { return kColormaps; }

std::vector<std::string> colormap_names() {
  std::vector<std::string> names;
  for (const Colormap& map : kColormaps) names.emplace_back(map.name);
  return names;
}

const Colormap& find_colormap(std::string_view name) {
  for (const Colormap& map : kColormaps) {
    if (map.name == name) return map;
  }
  const auto known = colormap_names();
  std::string list;
  for (const auto& each : known) list += (list.empty() ? "" : " | ") + each;
  throw Error(str("unknown colormap: '", name, "', expected ", list, did_you_mean(name, known)));
}

}  // namespace fovea
