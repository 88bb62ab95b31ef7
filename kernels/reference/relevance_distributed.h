// Relevance of a convolution whose bias is spread over its taps, in double; an inner product is one
// over an image of one pixel.
//
//   t_ij = w_ij x_i + b_j / (C/G R S)      taps on padding too, where x is 0
//   beta < 0:  R_i = sum_j t_ij R_j / stab(sum_i t_ij)
//   else:      R_i = sum_j (t_ij > 0 ? (1 + beta) t_ij R_j / sum_i t_ij^+
//                                    :    - beta  t_ij R_j / sum_i t_ij^-)      0 over 0 is 0
// Source: "distributing the bias", in Bach et al. 2015 and the LRP Toolbox.
#pragma once

#include "kernels/ops/convolution.h"
#include "kernels/ops/relevance_kernels.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// The factors of positive and of negative t of one output.
struct DistributedFactors {
  double gain, loss;
};
[[nodiscard]] DistributedFactors distributed_factors(const DistributedRule& rule, double relevance,
                                                     double positive, double negative);

// b may be null.
void relevance_distributed(const ConvolutionParams& params, const DistributedRule& rule, Input x,
                           Input w, Input b, Input r_top, Output r_bottom);

}  // namespace fovea::reference
