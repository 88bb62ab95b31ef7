// One channel block as a vector: 8 or 16 floats that the compiler keeps in registers, whatever
// their width on the machine. Loads and stores need no alignment.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace fovea::cpu {

template <std::int64_t kLanes>
struct VectorOf {
  // g++ wants the attribute on a typedef.
  typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
  typedef std::int32_t Ints __attribute__((vector_size(kLanes * sizeof(std::int32_t))));
};
template <std::int64_t kLanes>
using Vector = typename VectorOf<kLanes>::Floats;
template <std::int64_t kLanes>
using IntVector = typename VectorOf<kLanes>::Ints;

template <std::int64_t kLanes>
inline Vector<kLanes> load(const float* from) {
  Vector<kLanes> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class Lane>
inline void store(const V& v, Lane* to) {
  std::memcpy(to, &v, sizeof v);
}

template <std::int64_t kLanes>
inline Vector<kLanes> splat(float value) {
  return Vector<kLanes>{} + value;
}

// Lane by lane in memory, which the compiler turns into one instruction.
template <std::int64_t kLanes>
inline Vector<kLanes> square_root(const Vector<kLanes>& v) {
  float lanes[kLanes];
  store(v, lanes);
  for (float& lane : lanes) lane = std::sqrt(lane);
  return load<kLanes>(lanes);
}

// Calls visit(std::integral_constant<int, n>) for 1 <= n <= kMost.
template <int kMost, class Visit>
inline void with_constant(std::int64_t n, Visit&& visit) {
  [&]<int... kBefore>(std::integer_sequence<int, kBefore...>) {
    ((n == kBefore + 1 ? visit(std::integral_constant<int, kBefore + 1>{}) : void()), ...);
  }
  (std::make_integer_sequence<int, kMost>{});
}

}  // namespace fovea::cpu
