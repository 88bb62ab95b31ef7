#include "engine/graph/arena.h"

#include <algorithm>
#include <numeric>

#include "engine/core/buffer.h"

namespace fovea {

ArenaLayout plan_arena(const std::vector<Interval>& intervals) {
  std::vector<std::size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](auto a, auto b) { return intervals[a].bytes > intervals[b].bytes; });

  ArenaLayout layout{.offsets = std::vector<std::size_t>(intervals.size()), .bytes = 0};
  std::vector<std::size_t> placed;  // ascending offsets
  for (const std::size_t i : order) {
    const std::size_t bytes = aligned(intervals[i].bytes);
    std::size_t offset = 0;
    for (const std::size_t j : placed) {
      const bool alive_together =
          intervals[i].first <= intervals[j].last && intervals[j].first <= intervals[i].last;
      if (!alive_together) continue;
      if (offset + bytes <= layout.offsets[j]) break;  // the gap in front of j is wide enough
      offset = std::max(offset, layout.offsets[j] + aligned(intervals[j].bytes));
    }
    layout.offsets[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    const auto at =
        std::ranges::upper_bound(placed, offset, {}, [&](auto j) { return layout.offsets[j]; });
    placed.insert(at, i);
  }
  return layout;
}

}  // namespace fovea
