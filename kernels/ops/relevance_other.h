// Relevance rules of the layers that are not linear; shapes and layouts as in the layer's forward
// pass.
//
// ReLU, dropout: passed through. Concat: cut along the axis. Split: sum of the tops.
// Max pooling   winner: all of R_j to the position of the maximum (first in row-major order).
//               average: as average pooling.
// Average pooling (and the option above): R_i += R_j x_i / S_j, S_j = sum of x over the window
// inside the image; where
//               |S_j| < 1e-6 the LRP Toolbox adds x_i itself, and so do we.
// LRN           identity: R passes.
//               toolbox: R_c x_c (k + alpha/n x_c^2)^-beta
//                          + x_c^2 sum_{0 < |c'-c| <= h} -2 alpha/n beta S_c'^(-beta-1) x_c' R_c'
//                          (LRP Toolbox; the
//                        sum is not conserved).
//               gradient: x_c times the layer's derivative applied to R_c' / y_c' (0 where y = 0).
#pragma once

#include "engine/core/fields.h"

namespace fovea {

enum class MaxPoolingRule { kWinner, kAverage };
template <>
inline constexpr EnumTable<MaxPoolingRule, 2> enum_names<MaxPoolingRule>{
    {{"winner", MaxPoolingRule::kWinner}, {"average", MaxPoolingRule::kAverage}}};

enum class LrnRule { kIdentity, kToolbox, kGradient };
template <>
inline constexpr EnumTable<LrnRule, 3> enum_names<LrnRule>{{{"identity", LrnRule::kIdentity},
                                                            {"toolbox", LrnRule::kToolbox},
                                                            {"gradient", LrnRule::kGradient}}};

}  // namespace fovea
