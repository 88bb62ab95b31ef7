// Warp collectives: every lane of the mask publishes a value, the last to arrive computes all
// results.
#pragma once

#include <array>
#include <cstring>
#include <type_traits>

#include "kernels/emulated/sync.h"

namespace fovea::emulated {

// Out f(mask, in) for a whole warp at once: combine(mask, const In* (32 lanes, 64 bytes apart),
// Out* likewise). `Combine` is stateless.
template <class T>
class LaneValues {
 public:
  static_assert(sizeof(T) <= Exchange::kLaneBytes && std::is_trivially_copyable_v<T>);
  explicit LaneValues(std::byte (*lanes)[Exchange::kLaneBytes]) : lanes_(lanes) {}
  T& operator[](unsigned lane) const { return *reinterpret_cast<T*>(lanes_[lane]); }

 private:
  std::byte (*lanes_)[Exchange::kLaneBytes];
};

// Calls combine(mask, LaneValues<In> in, LaneValues<Out> out) once for the lanes of `mask`; returns
// this lane's out. `combine` captures nothing: lanes agree on what they do by their source line.
template <class Out, class In, class Combine>
Out warp_collective(std::uint32_t mask, const In& value, Combine, Where where) {
  static_assert(std::is_empty_v<Combine>);
  const std::byte* result = Block::current().collective(
      mask, &value, sizeof(In),
      [](std::uint32_t lanes, Exchange& exchange) {
        Combine{}(lanes, LaneValues<In>(exchange.in), LaneValues<Out>(exchange.out));
      },
      where);
  Out out;
  std::memcpy(&out, result, sizeof(Out));
  return out;
}

template <class Body>
void for_each_lane(std::uint32_t mask, Body&& body) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if (mask >> lane & 1) body(lane);
  }
}

namespace detail {
template <class T>
struct Shuffled {
  T value;
  int source;  // lane; a lane outside of the mask gives its own value back
};
template <class T>
T shuffle(std::uint32_t mask, T value, int source, Where where) {
  return warp_collective<T>(
      mask, Shuffled<T>{value, source},
      [](std::uint32_t lanes, auto in, auto out) {
        for_each_lane(lanes, [&](unsigned lane) {
          const int from = in[lane].source;
          const bool known = from >= 0 && (lanes >> from & 1);
          out[lane] = in[known ? static_cast<unsigned>(from) : lane].value;
        });
      },
      where);
}
inline int lane_id() { return static_cast<int>(Block::thread().lane()); }
// First lane of the caller's section of `width` lanes.
inline int section(int width) { return lane_id() / width * width; }
}  // namespace detail

// NOLINTBEGIN: CUDA's names
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, Where where = Where::current()) {
  const int from = detail::section(width) + (source & (width - 1));
  return detail::shuffle(mask, value, from, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 Where where = Where::current()) {
  const int from = detail::lane_id() - static_cast<int>(delta);
  return detail::shuffle(mask, value, from < detail::section(width) ? detail::lane_id() : from,
                         where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   Where where = Where::current()) {
  const int from = detail::lane_id() + static_cast<int>(delta);
  const bool inside = from < detail::section(width) + width;
  return detail::shuffle(mask, value, inside ? from : detail::lane_id(), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  Where where = Where::current()) {
  const int from = detail::lane_id() ^ lane_mask;
  const bool inside = from < detail::section(width) + width;
  return detail::shuffle(mask, value, inside ? from : detail::lane_id(), where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, Where where = Where::current()) {
  return warp_collective<unsigned>(
      mask, predicate,
      [](std::uint32_t lanes, auto in, auto out) {
        unsigned votes = 0;
        for_each_lane(lanes, [&](unsigned lane) { votes |= (in[lane] != 0 ? 1U : 0U) << lane; });
        for_each_lane(lanes, [&](unsigned lane) { out[lane] = votes; });
      },
      where);
}
inline int __all_sync(unsigned mask, int predicate, Where where = Where::current()) {
  return __ballot_sync(mask, predicate, where) == mask;
}
inline int __any_sync(unsigned mask, int predicate, Where where = Where::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFF, Where where = Where::current()) {
  (void)__ballot_sync(mask, 0, where);
}

namespace detail {
template <class T, class Operation>
T reduce(unsigned mask, T value, Operation, Where where) {
  return warp_collective<T>(
      mask, value,
      [](std::uint32_t lanes, auto in, auto out) {
        bool first = true;
        T total{};
        for_each_lane(lanes, [&](unsigned lane) {
          total = first ? in[lane] : Operation{}(total, in[lane]);
          first = false;
        });
        for_each_lane(lanes, [&](unsigned lane) { out[lane] = total; });
      },
      where);
}
}  // namespace detail
template <class T>
T __reduce_add_sync(unsigned mask, T value, Where where = Where::current()) {
  return detail::reduce(
      mask, value, [](T a, T b) { return static_cast<T>(a + b); }, where);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, Where where = Where::current()) {
  return detail::reduce(
      mask, value, [](T a, T b) { return a < b ? b : a; }, where);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, Where where = Where::current()) {
  return detail::reduce(
      mask, value, [](T a, T b) { return b < a ? b : a; }, where);
}
// NOLINTEND

}  // namespace fovea::emulated
