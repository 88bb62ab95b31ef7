#include "engine/relevance/lab/map_measures.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/core/error.h"

namespace fovea::lab {
namespace {

std::vector<double> magnitudes(std::span<const float> map) {
  std::vector<double> values(map.size());
  std::ranges::transform(map, values.begin(), [](float r) { return std::abs(double{r}); });
  return values;
}

}  // namespace

double complexity(std::span<const float> map) {
  const std::vector<double> values = magnitudes(map);
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  double entropy = 0;
  for (const double v : values) {
    if (v > 0) entropy -= v / total * std::log(v / total);
  }
  return entropy;
}

double sparseness(std::span<const float> map) {
  std::vector<double> values = magnitudes(map);
  std::ranges::sort(values);
  const double n = static_cast<double>(values.size());
  double total = 0, weighted = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    total += values[i];
    weighted += (2 * static_cast<double>(i + 1) - n - 1) * values[i];
  }
  return total > 0 ? weighted / (n * total) : 0;
}

double mass_inside(std::span<const float> map, std::span<const std::uint8_t> mask) {
  expects(map.size() == mask.size(), "a mask has the map's pixels");
  double inside = 0, total = 0;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const double r = std::max(double{map[i]}, 0.0);
    total += r;
    if (mask[i] != 0) inside += r;
  }
  return total > 0 ? inside / total : 0;
}

double rank_inside(std::span<const float> map, std::span<const std::uint8_t> mask) {
  expects(map.size() == mask.size(), "a mask has the map's pixels");
  const auto size =
      static_cast<std::ptrdiff_t>(std::ranges::count_if(mask, [](auto m) { return m != 0; }));
  if (size == 0 || std::ranges::max(map) <= 0) return 0;
  std::vector<std::uint32_t> order(map.size());
  std::iota(order.begin(), order.end(), 0U);
  std::nth_element(order.begin(), order.begin() + (size - 1), order.end(),
                   [&](auto a, auto b) { return map[a] > map[b] || (map[a] == map[b] && a < b); });
  const auto hits =
      std::count_if(order.begin(), order.begin() + size, [&](auto i) { return mask[i] != 0; });
  return static_cast<double>(hits) / static_cast<double>(size);
}

bool points_inside(std::span<const float> map, std::span<const std::uint8_t> mask, int width,
                   int tolerance) {
  expects(map.size() == mask.size(), "a mask has the map's pixels");
  const auto best = std::ranges::max_element(map) - map.begin();
  if (map[static_cast<std::size_t>(best)] <= 0) return false;
  const int height = static_cast<int>(map.size()) / width;
  const int row = static_cast<int>(best) / width, column = static_cast<int>(best) % width;
  for (int y = std::max(0, row - tolerance); y <= std::min(height - 1, row + tolerance); ++y) {
    for (int x = std::max(0, column - tolerance); x <= std::min(width - 1, column + tolerance);
         ++x) {
      const int dy = y - row, dx = x - column;
      if (dy * dy + dx * dx > tolerance * tolerance) continue;
      if (mask[static_cast<std::size_t>(y * width + x)] != 0) return true;
    }
  }
  return false;
}

double mask_share(std::span<const std::uint8_t> mask) {
  const auto inside = std::ranges::count_if(mask, [](auto m) { return m != 0; });
  return static_cast<double>(inside) / static_cast<double>(mask.size());
}

}  // namespace fovea::lab
