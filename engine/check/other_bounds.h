// How far two devices may differ in the relevance of a layer that is not linear, derived from the
// rule's formula (kernels/ops/relevance_other.h). With u = 2^-24 and g(K) = sum_bound(K):
//   copies (pass, slices, ReLU's rules)    0
//   sum of K tops                          g(K) sum |R|
//   routes of the gradient                 the bounds of the layer's backward pass for R
//   average pooling, window sums S of K    sum_j |x_i R_j / S_j| (g(K) sum |x| / |S_j| +
//   g(windows)) LRN, messages m_d of relative error    taylor: sum_c |R_c m_d / M_c| (e + (e + g)
//   sum |m| / |M_c|
//     e = (beta + 1) g(size) + 32 u          + g), M_c = sum_d m_d, g = g(size); toolbox: (e + g)
//                                            times the sum of the magnitudes
//   softmax's probabilities                the bounds of its forward pass
#pragma once

#include "engine/check/other_relevance.h"

namespace fovea {

// Of every bottom, for problem.r.
[[nodiscard]] std::vector<Tensor<float>> other_bounds(const OtherCase& problem);

// Sums of each window and of its magnitudes, (N, C, P, Q).
struct WindowSums {
  Tensor<double> sum, magnitude;
};
[[nodiscard]] WindowSums window_sums(const PoolingParams& params, const Tensor<float>& x,
                                     const Shape& y);

// Whether the layer's relevance goes where its gradient would, and whether it is divided by sums of
// windows.
[[nodiscard]] bool is_routed(const OpParams& op, const OtherRules& rules);
[[nodiscard]] bool divides_by_windows(const OpParams& op, const OtherRules& rules);

}  // namespace fovea
