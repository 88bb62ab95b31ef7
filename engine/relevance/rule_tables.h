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

// Only the positive contributions: alpha-beta with beta = 0                  Montavon et al. 2017
// (z+ rule)
constexpr RelevanceRule z_plus_rule() { return alpha_beta_rule(0); }

}  // namespace fovea
