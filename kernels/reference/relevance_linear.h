// Relevance of linear layers in double; contract and letters: kernels/ops/relevance_linear.h.
#pragma once

#include "kernels/ops/convolution.h"
#include "kernels/ops/inner_product.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// R at the bottom from R at the top, by the table of `rule`; b may be null. The Toolbox's bias of
// grouped convolutions (group 0's biases in every group) is the caller's choice of b.
void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom);
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom);

}  // namespace fovea::reference
