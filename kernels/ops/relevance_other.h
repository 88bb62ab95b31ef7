// Relevance rules of the layers that are not linear; shapes and layouts as in the layer's forward
// pass.
//
// ReLU          pass: R passes, also where x <= 0. positive: max(R, 0) (deconvolution, Zeiler and
// Fergus 2014).
//               guided: max(R, 0) where x > 0 (Springenberg et al. 2015). gradient: R where x > 0.
// Dropout: passed through. Concat: cut along the axis. Split: sum of the tops.
// Max pooling   winner: all of R_j to the position of the maximum (first in row-major order).
//               average: as average pooling.
// Average pooling (and the option above): R_i += R_j x_i / S_j, S_j = sum of x over the window
// inside the image; where
//               |S_j| < 1e-6 the LRP Toolbox adds x_i itself, and so do we. That is "proportional";
//               "gradient" is the layer's derivative.
// LRN           identity: R passes.
//               toolbox: R_c x_c (k + alpha/n x_c^2)^-beta
//                          + x_c^2 sum_{0 < |c'-c| <= h} -2 alpha/n beta S_c'^(-beta-1) x_c' R_c'
//                          (LRP Toolbox; the
//                        sum is not conserved).
//               derivative: the layer's derivative applied to R.
//               gradient: x_c times the layer's derivative applied to R_c' / y_c' (0 where y = 0).
#pragma once

#include "engine/core/fields.h"

namespace fovea {

enum class MaxPoolingRule { kWinner, kAverage };
template <>
inline constexpr EnumTable<MaxPoolingRule, 2> enum_names<MaxPoolingRule>{
    {{"winner", MaxPoolingRule::kWinner}, {"average", MaxPoolingRule::kAverage}}};

enum class AveragePoolingRule { kProportional, kGradient };
template <>
inline constexpr EnumTable<AveragePoolingRule, 2> enum_names<AveragePoolingRule>{
    {{"proportional", AveragePoolingRule::kProportional},
     {"gradient", AveragePoolingRule::kGradient}}};

enum class LrnRule { kIdentity, kToolbox, kGradient, kDerivative };
template <>
inline constexpr EnumTable<LrnRule, 4> enum_names<LrnRule>{{{"identity", LrnRule::kIdentity},
                                                            {"toolbox", LrnRule::kToolbox},
                                                            {"gradient", LrnRule::kGradient},
                                                            {"derivative", LrnRule::kDerivative}}};

enum class ReluRule { kPass, kPositive, kGuided, kGradient };
template <>
inline constexpr EnumTable<ReluRule, 4> enum_names<ReluRule>{{{"pass", ReluRule::kPass},
                                                              {"positive", ReluRule::kPositive},
                                                              {"guided", ReluRule::kGuided},
                                                              {"gradient", ReluRule::kGradient}}};

}  // namespace fovea
