// The rules of linear layers, each a table for kernels/ops/relevance_linear.h.
#pragma once

#include "kernels/ops/relevance_linear.h"

namespace fovea {

// R_i = x_i sum_j w_ij R_j / (z_j + sign(z_j) epsilon)                       Bach et al. 2015, eq.
// 58 (epsilon rule)
constexpr RelevanceRule epsilon_rule(float epsilon) {
  return {.name = "epsilon",
          .term = {{{InputMap::kIdentity, WeightMap::kIdentity, BiasMap::kIdentity, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kEpsilon,
          .epsilon = epsilon};
}

// R_i = sum_j [ (1 + beta) (w_ij x_i)+ / P_j - beta (w_ij x_i)- / N_j ] R_j  Bach et al. 2015, eq.
// 60 (alpha-beta rule)
//   P_j, N_j: sums of the positive and of the negative contributions, the bias among them. A
//   product is positive where both factors are positive or both negative, so each sum is two terms;
//   the second vanishes for inputs >= 0.
constexpr RelevanceRule alpha_beta_rule(float beta) {
  return {.name = "alpha_beta",
          .term = {{{InputMap::kPositive, WeightMap::kPositive, BiasMap::kPositive, 0, 1},
                    {InputMap::kNegative, WeightMap::kNegative, BiasMap::kZero, 0, 1},
                    {InputMap::kPositive, WeightMap::kNegative, BiasMap::kNegative, 1, 1},
                    {InputMap::kNegative, WeightMap::kPositive, BiasMap::kZero, 1, 1}}},
          .terms = beta == 0 ? 2 : 4,
          .groups = beta == 0 ? 1 : 2,
          .coefficient = {1 + beta, -beta},
          .stabilizer = Stabilizer::kZeroToZero,
          .epsilon = 0};
}

// R_i = sum_j S_j [ w_ij x_i + (w_ij)+ m_i - (w_ij)- (255 - m_i) ],  S_j = R_j / (the sum in [] +
// b+)
//   Montavon et al. 2017, eq. 15 (z^B rule) for pixels in [-m, 255 - m], with the LRP Toolbox's
//   bias. The bracket is w (x + m) - 255 w-; on padding x = m = 0, so only -255 w- is left there.
constexpr RelevanceRule z_box_rule() {
  return {.name = "z_box",
          .term = {{{InputMap::kIdentity, WeightMap::kIdentity, BiasMap::kPositive, 0, 1},
                    {InputMap::kMean, WeightMap::kIdentity, BiasMap::kZero, 0, 1},
                    {InputMap::kOne, WeightMap::kNegative, BiasMap::kZero, 0, -255,
                     TermSum::kEveryTap}}},
          .terms = 3,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kTinyToR,
          .epsilon = 0};
}

// R_i = sum_j R_j w_ij^2 / sum_k w_kj^2                                     Montavon et al. 2017,
// eq. 10 (w^2 rule); the share of padding is lost, as in the LRP Toolbox
constexpr RelevanceRule w_square_rule() {
  return {
      .name = "w_square",
      .term = {{{InputMap::kOne, WeightMap::kSquare, BiasMap::kZero, 0, 1, TermSum::kEveryTap}}},
      .terms = 1,
      .groups = 1,
      .coefficient = {1, 0},
      .stabilizer = Stabilizer::kZeroToZero,
      .epsilon = 0};
}

// R_i = sum_j R_j / (number of j's inputs on the image)                     Bach et al. 2015 (flat
// rule)
constexpr RelevanceRule flat_rule() {
  return {.name = "flat",
          .term = {{{InputMap::kOne, WeightMap::kOne, BiasMap::kZero, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kZeroToZero,
          .epsilon = 0};
}

// R_i = sum_j R_j / divisor: the LRP Toolbox's flat rule, whose divisor is the window's area R S
// for a convolution (channels do not count, so that it multiplies the sum) and the number of inputs
// for an inner product.
constexpr RelevanceRule flat_toolbox_rule(float divisor) {
  return {.name = "flat_toolbox",
          .term = {{{InputMap::kOne, WeightMap::kOne, BiasMap::kZero, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1 / divisor, 0},
          .stabilizer = Stabilizer::kUndivided,
          .epsilon = 0};
}

// R_i = sum_j w_ij R_j: the gradient's way through a linear layer
constexpr RelevanceRule gradient_rule() {
  return {.name = "gradient",
          .term = {{{InputMap::kOne, WeightMap::kIdentity, BiasMap::kZero, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kUndivided,
          .epsilon = 0};
}

// Only the positive contributions: alpha-beta with beta = 0                  Montavon et al. 2017
// (z+ rule)
constexpr RelevanceRule z_plus_rule() { return alpha_beta_rule(0); }

}  // namespace fovea
