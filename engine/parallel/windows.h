// Sums of ranks on one machine, through memory that all of them can read.
//
// Every rank has a window there. For each piece of the values (kWindowBytes) it
//   offers  copies the slices that others add up into its window,
//   sums    adds up its own slice, ((rank 0 + rank 1) + rank 2) + ..., straight from the others'
//           windows, and leaves the result in its own,
//   takes   copies the sums of the other slices out of theirs.
// Counters in the windows say how many pieces a rank has offered, summed and taken, so that nobody
// reads what is not there yet, or writes over what is still read. Against messages that saves one
// copy each way and the system calls that carry it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace fovea {

// A bucket of gradients. Smaller windows would lie in a nearer cache, but cost more than that saves
// in waiting for each other.
inline constexpr std::size_t kWindowBytes = std::size_t{4} << 20;

struct alignas(64) RankWindow {
  std::atomic<std::uint64_t> offered = 0, summed = 0, taken = 0;  // pieces
  alignas(64) std::byte bytes[kWindowBytes];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "atomics between processes");

// One of each rank, in their order.
using RankWindows = std::span<RankWindow* const>;

// Waits until `reached` is true of every other rank's window.
using ReachedInWindow = std::function<bool(const RankWindow&)>;
using WaitForWindows = std::function<void(const ReachedInWindow& reached)>;

// In place, of every rank's values. Called by all ranks, in the same order and with the same sizes.
template <class T>
void sum_in_windows(std::span<T> values, int rank, RankWindows windows, const WaitForWindows& wait);

}  // namespace fovea
