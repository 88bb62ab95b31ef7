// Relevance of a linear layer (convolution, inner product) as a table of terms.
//
// With maps a on inputs and v, v' on weights and biases, group g, sign s, coefficient c of its
// group:
//   Z_g,j = sum_{t in g} s_t ( sum_i a_t(x_i) v_t(w_ij) + v'_t(b_j) )     i: see TermSum
//   R_i   = sum_t c_g(t) s_t a_t(x_i) sum_j v_t(w_ij) S_g,j        S_g,j = gate_g,j R_j /
//   stab(Z_g,j)
// i runs over the inputs of output j (taps on padding have x = 0 and what flows there is lost), R_j
// comes from above. A new rule is a new table. Sources per table: engine/relevance/rule_tables.h.
// kLow and kHigh need the bounds l and h of the layer's input, (C, H, W), in the units of x.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/core/fields.h"

namespace fovea {

// x, max(x,0), min(x,0), 1, l, h
enum class InputMap : std::uint8_t { kIdentity, kPositive, kNegative, kOne, kLow, kHigh };
// w, max(w,0), min(w,0), w^2, 1, w + gamma max(w,0), w + gamma min(w,0)
enum class WeightMap : std::uint8_t {
  kIdentity,
  kPositive,
  kNegative,
  kSquare,
  kOne,
  kFavourPositive,
  kFavourNegative
};
// 0, and of b as of w
enum class BiasMap : std::uint8_t {
  kZero,
  kIdentity,
  kPositive,
  kNegative,
  kFavourPositive,
  kFavourNegative
};

// The map does not look at x: Z's part by it is the same for every image.
constexpr bool ignores_input(InputMap map) {
  return map == InputMap::kOne || map == InputMap::kLow || map == InputMap::kHigh;
}

// How S is formed from R and Z.
enum class Stabilizer : std::uint8_t {
  kEpsilon,     // R / (Z + sign(Z) epsilon); Z = 0 leaves R undivided, as the LRP Toolbox does
  kRelative,    // R / (Z + sign(Z) epsilon q), sign(0) = 1, q^2 the image's mean of Z^2; q = 0: 0
  kZeroToZero,  // R / Z; Z = 0 gives 0
  kTinyToR,     // R / Z; |Z| <= 1e-12 leaves R undivided
  kUndivided,   // R; there is no Z
};

// Which outputs a group serves.
enum class Gate : std::uint8_t {
  kNone,  // all
  kSign,  // group 0 those with Z_0 + Z_1 > 0, group 1 those with Z_0 + Z_1 < 0
};

// Over which taps a term sums in Z.
enum class TermSum : std::uint8_t {
  kInside,    // those on the image: padding has x = 0
  kEveryTap,  // those on padding too, which only a map that does not look at x can tell apart
};

struct RelevanceTerm {
  InputMap input = InputMap::kIdentity;
  WeightMap weight = WeightMap::kIdentity;
  BiasMap bias = BiasMap::kZero;
  std::uint8_t group = 0;
  float sign = 1;  // any factor
  TermSum sum = TermSum::kInside;
};

struct RelevanceRule {
  static constexpr int kMaxTerms = 4, kMaxGroups = 2;
  std::string_view name;
  std::array<RelevanceTerm, kMaxTerms> term{};
  int terms = 0, groups = 1;
  std::array<float, kMaxGroups> coefficient{1, 1};  // per group
  Stabilizer stabilizer = Stabilizer::kEpsilon;
  float epsilon = 0;
  float gamma = 0;  // of kFavourPositive and kFavourNegative
  Gate gate = Gate::kNone;
  bool groups_make_z = false;  // two groups with Z_0 + Z_1 = z, Z_1 never positive
  bool group0_biases = false;  // every group of a convolution reads group 0's (a LRP Toolbox bug)

  [[nodiscard]] std::span<const RelevanceTerm> table() const {
    return {term.data(), static_cast<std::size_t>(terms)};
  }
};

template <class T>
constexpr T mapped(InputMap map, T x) {
  return map == InputMap::kPositive   ? (x > 0 ? x : T{0})
         : map == InputMap::kNegative ? (x < 0 ? x : T{0})
         : map == InputMap::kOne      ? T{1}
                                      : x;
}
template <class T>
constexpr T mapped(WeightMap map, T w, T gamma) {
  const T positive = w > 0 ? w : T{0}, negative = w < 0 ? w : T{0};
  switch (map) {
    case WeightMap::kIdentity:
      return w;
    case WeightMap::kPositive:
      return positive;
    case WeightMap::kNegative:
      return negative;
    case WeightMap::kSquare:
      return w * w;
    case WeightMap::kOne:
      return T{1};
    case WeightMap::kFavourPositive:
      return w + gamma * positive;
    case WeightMap::kFavourNegative:
      return w + gamma * negative;
  }
  return w;
}
template <class T>
constexpr T mapped(BiasMap map, T b, T gamma) {
  switch (map) {
    case BiasMap::kZero:
      return T{0};
    case BiasMap::kIdentity:
      return b;
    case BiasMap::kPositive:
      return mapped(WeightMap::kPositive, b, gamma);
    case BiasMap::kNegative:
      return mapped(WeightMap::kNegative, b, gamma);
    case BiasMap::kFavourPositive:
      return mapped(WeightMap::kFavourPositive, b, gamma);
    case BiasMap::kFavourNegative:
      return mapped(WeightMap::kFavourNegative, b, gamma);
  }
  return b;
}

// `epsilon` is absolute: of kRelative, the rule's times q.
template <class T>
constexpr T stabilized_quotient(Stabilizer kind, T relevance, T z, T epsilon) {
  if (kind == Stabilizer::kUndivided) return relevance;
  if (kind == Stabilizer::kTinyToR)
    return z > T(1e-12) || z < T(-1e-12) ? relevance / z : relevance;
  if (kind == Stabilizer::kRelative) {
    const T denominator = z < 0 ? z - epsilon : z + epsilon;
    return denominator == T{0} ? T{0} : relevance / denominator;
  }
  if (z == T{0}) return kind == Stabilizer::kEpsilon ? relevance : T{0};
  if (kind == Stabilizer::kZeroToZero) return relevance / z;
  return relevance / (z > 0 ? z + epsilon : z - epsilon);
}

}  // namespace fovea
