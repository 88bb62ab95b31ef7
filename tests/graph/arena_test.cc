#include "engine/graph/arena.h"

#include <gtest/gtest.h>

#include "engine/core/random.h"

namespace fovea {
namespace {

bool overlap(const Interval& a, std::size_t at_a, const Interval& b, std::size_t at_b) {
  const bool together = a.first <= b.last && b.first <= a.last;
  return together && at_a < at_b + b.bytes && at_b < at_a + a.bytes;
}

TEST(Arena, BlocksAliveTogetherNeverOverlapAndStayAligned) {
  for (std::uint64_t round = 0; round < 200; ++round) {
    const RandomKey key{.seed = 3, .iteration = round};
    std::vector<Interval> intervals(40);
    for (std::uint64_t i = 0; i < intervals.size(); ++i) {
      const int first = static_cast<int>(random_below(key, 3 * i, 50));
      intervals[i] = {random_below(key, 3 * i + 1, 1000), first,
                      first + static_cast<int>(random_below(key, 3 * i + 2, 20))};
    }
    const ArenaLayout layout = plan_arena(intervals);
    for (std::size_t i = 0; i < intervals.size(); ++i) {
      EXPECT_EQ(layout.offsets[i] % 64, 0U);
      EXPECT_LE(layout.offsets[i] + intervals[i].bytes, layout.bytes);
      for (std::size_t j = 0; j < i; ++j) {
        EXPECT_FALSE(overlap(intervals[i], layout.offsets[i], intervals[j], layout.offsets[j]))
            << round << " " << i << " " << j;
      }
    }
  }
}

TEST(Arena, AChainNeedsTheTwoLargestNeighboursOnly) {
  // Three blocks, each alive with its neighbour alone: the first and the last share memory.
  const ArenaLayout layout = plan_arena({{640, 0, 1}, {1280, 1, 2}, {640, 2, 3}});
  EXPECT_EQ(layout.bytes, 1920U);
  EXPECT_EQ(layout.offsets[0], layout.offsets[2]);
}

}  // namespace
}  // namespace fovea
