// A loop over independent items on a few threads.
#pragma once

#include <cstdint>
#include <functional>

namespace fovea {

// `threads`, or for 0 the number of cores.
[[nodiscard]] int thread_count(int threads);

// Calls body(i) for every i in [0, count), each once, in any order, from up to `threads` threads
// (0: every core). When bodies throw, no new items are started and the exception of the lowest item
// is rethrown.
void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body);

}  // namespace fovea
