// Relevance rules of the layers that are not linear; shapes and layouts as in the layer's forward
// pass.
//
// ReLU          pass: R passes, also where x <= 0. positive: max(R, 0) (deconvolution, Zeiler and
// Fergus 2014).
//               guided: max(R, 0) where x > 0 (Springenberg et al. 2015). gradient: R where x > 0.
// Dropout: passed through. Concat: cut along the axis. Split: sum of the tops.
// Max pooling   winner: all of R_j to the position of the maximum (first in row-major order).
//               average: as average pooling.
// Average pooling (and the option above)
//               proportional: R_i += R_j x_i / S_j, S_j = sum of x over the window inside the
//               image; 0 where S_j = 0. toolbox: the same, but where |S_j| < 1e-6 the LRP Toolbox
//               adds x_i itself. gradient: the layer's derivative.
// LRN           identity: R passes.
//               taylor: first-order messages z_c'c from input c' to output c, normalised by their
//               own sum, so that relevance is conserved (Binder et al. 2016):
//                 z_cc = x_c (k + alpha/n x_c^2)^-beta, z_c'c = -2 alpha/n beta S_c^(-beta-1) x_c
//                 x_c'^2 R_c' = sum_c R_c z_c'c / sum_d z_dc
//               x_c cancels. What is left of the sum is positive for every x where k > 0: with
//               q = alpha/n sum_{c' != c} x_c'^2 / (k + alpha/n x_c^2) it is (k + alpha/n
//               x_c^2)^-beta (1 - 2 beta q (1 + q)^(-beta-1)), and the last term is below 2/e.
//               toolbox: R_c x_c (k + alpha/n x_c^2)^-beta
//                          + x_c^2 sum_{0 < |c'-c| <= h} -2 alpha/n beta S_c'^(-beta-1) x_c' R_c'
//               (LRP Toolbox: the same messages undivided; the sum is not conserved).
//               gradient: the layer's derivative applied to R, what automatic differentiation does.
#pragma once

#include "engine/core/fields.h"

namespace fovea {

enum class MaxPoolingRule { kWinner, kAverage };
template <>
inline constexpr EnumTable<MaxPoolingRule, 2> enum_names<MaxPoolingRule>{
    {{"winner", MaxPoolingRule::kWinner}, {"average", MaxPoolingRule::kAverage}}};

enum class AveragePoolingRule { kProportional, kToolbox, kGradient };
template <>
inline constexpr EnumTable<AveragePoolingRule, 3> enum_names<AveragePoolingRule>{
    {{"proportional", AveragePoolingRule::kProportional},
     {"toolbox", AveragePoolingRule::kToolbox},
     {"gradient", AveragePoolingRule::kGradient}}};

enum class LrnRule { kIdentity, kTaylor, kToolbox, kGradient };
template <>
inline constexpr EnumTable<LrnRule, 4> enum_names<LrnRule>{{{"identity", LrnRule::kIdentity},
                                                            {"taylor", LrnRule::kTaylor},
                                                            {"toolbox", LrnRule::kToolbox},
                                                            {"gradient", LrnRule::kGradient}}};

enum class ReluRule { kPass, kPositive, kGuided, kGradient };
template <>
inline constexpr EnumTable<ReluRule, 4> enum_names<ReluRule>{{{"pass", ReluRule::kPass},
                                                              {"positive", ReluRule::kPositive},
                                                              {"guided", ReluRule::kGuided},
                                                              {"gradient", ReluRule::kGradient}}};

}  // namespace fovea
