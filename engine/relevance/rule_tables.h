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

// The same with epsilon in units of the root mean square of the layer's z       Montavon et al.
// 2019, section 10.2.1 (their choice is 0.25)
constexpr RelevanceRule epsilon_relative_rule(float epsilon) {
  RelevanceRule rule = epsilon_rule(epsilon);
  rule.name = "epsilon_relative";
  rule.stabilizer = Stabilizer::kRelative;
  return rule;
}

// With w(+) = w + gamma w+, w(-) = w + gamma w-, and likewise for b:
// z_j > 0: R_i = sum_j (x_i+ w_ij(+) + x_i- w_ij(-)) R_j / (the sum of that + b_j(+))
// z_j < 0: R_i = sum_j (x_i+ w_ij(-) + x_i- w_ij(+)) R_j / (the sum of that + b_j(-))
//   Andeol et al. 2021, eq. 6 (generalised gamma rule: inputs and outputs of both signs; for x >= 0
//   and z > 0 that of Montavon et al. 2019). The two sums are z + gamma P and z + gamma N, and P +
//   N = z, so that together they are (2 + gamma) z: their sum's sign is that of z. The sum that is
//   used is never nearer to zero than z.
constexpr RelevanceRule gamma_rule(float gamma) {
  return {
      .name = "gamma",
      .term = {{{InputMap::kPositive, WeightMap::kFavourPositive, BiasMap::kFavourPositive, 0, 1},
                {InputMap::kNegative, WeightMap::kFavourNegative, BiasMap::kZero, 0, 1},
                {InputMap::kPositive, WeightMap::kFavourNegative, BiasMap::kFavourNegative, 1, 1},
                {InputMap::kNegative, WeightMap::kFavourPositive, BiasMap::kZero, 1, 1}}},
      .terms = 4,
      .groups = 2,
      .coefficient = {1, 1},
      .stabilizer = Stabilizer::kZeroToZero,
      .epsilon = 0,
      .gamma = gamma,
      .gate = Gate::kSign};
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
          .epsilon = 0,
          .groups_make_z = beta != 0};
}

// R_i = sum_j R_j (w_ij x_i - (w_ij)+ l_i - (w_ij)- h_i) / (the sum of that over i)
//   Montavon et al. 2017, eq. 15 (z^B rule) for inputs in [l, h]; no bias, and padding has none
constexpr RelevanceRule z_box_rule() {
  return {.name = "z_box",
          .term = {{{InputMap::kIdentity, WeightMap::kIdentity, BiasMap::kZero, 0, 1},
                    {InputMap::kLow, WeightMap::kPositive, BiasMap::kZero, 0, -1},
                    {InputMap::kHigh, WeightMap::kNegative, BiasMap::kZero, 0, -1}}},
          .terms = 3,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kTinyToR,
          .epsilon = 0};
}

// The same by the LRP Toolbox, for l = -m and h = 255 - m: b+ is in the sum, and padding has m = 0,
// so that h = 255 stands there. The bracket is w (x - l) - 255 w-.
constexpr RelevanceRule z_box_toolbox_rule() {
  return {.name = "z_box_toolbox",
          .term = {{{InputMap::kIdentity, WeightMap::kIdentity, BiasMap::kPositive, 0, 1},
                    {InputMap::kLow, WeightMap::kIdentity, BiasMap::kZero, 0, -1},
                    {InputMap::kOne, WeightMap::kNegative, BiasMap::kZero, 0, -255,
                     TermSum::kEveryTap}}},
          .terms = 3,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kTinyToR,
          .epsilon = 0};
}

// R_i = sum_j R_j w_ij^2 / sum_k w_kj^2                                     Montavon et al. 2017,
// eq. 10 (w^2 rule); k runs over the inputs on the image
constexpr RelevanceRule w_square_rule() {
  return {.name = "w_square",
          .term = {{{InputMap::kOne, WeightMap::kSquare, BiasMap::kZero, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kZeroToZero,
          .epsilon = 0};
}

// The same by the LRP Toolbox: k runs over padding too, whose share is lost.
constexpr RelevanceRule w_square_toolbox_rule() {
  RelevanceRule rule = w_square_rule();
  rule.name = "w_square_toolbox";
  rule.term[0].sum = TermSum::kEveryTap;
  return rule;
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
          .term = {{{InputMap::kOne, WeightMap::kOne, BiasMap::kZero, 0, 1, TermSum::kEveryTap}}},
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
constexpr RelevanceRule z_plus_rule() {
  RelevanceRule rule = alpha_beta_rule(0);
  rule.name = "z_plus";
  return rule;
}

// R_i = sum_j x_i (w_ij)+ R_j / sum_k x_k (w_kj)+, for x >= 0                  Zhang et al. 2016,
// eq. 3 (excitation backprop): z+ without the bias. Inputs below zero count for nothing.
constexpr RelevanceRule excitation_rule() {
  return {.name = "excitation",
          .term = {{{InputMap::kPositive, WeightMap::kPositive, BiasMap::kZero, 0, 1}}},
          .terms = 1,
          .groups = 1,
          .coefficient = {1, 0},
          .stabilizer = Stabilizer::kZeroToZero,
          .epsilon = 0};
}

}  // namespace fovea
