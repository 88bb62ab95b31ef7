// One memory block for everything whose life is known in advance.
#pragma once

#include <cstddef>
#include <vector>

namespace fovea {

// A block of `bytes` needed from time `first` to time `last`, both included.
struct Interval {
  std::size_t bytes = 0;
  int first = 0, last = 0;
};

struct ArenaLayout {
  std::vector<std::size_t> offsets;  // per interval, 64-byte aligned
  std::size_t bytes = 0;             // of the whole arena
};

// Offsets such that intervals alive at the same time never overlap: largest first, each at the
// lowest offset that is free for its whole life (the greedy-by-size plan of Pisarchyk and Lee 2020,
// "Efficient memory management for deep neural net inference").
[[nodiscard]] ArenaLayout plan_arena(const std::vector<Interval>& intervals);

}  // namespace fovea
