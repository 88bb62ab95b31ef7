// Relevance of linear layers in double; contract and letters: kernels/ops/relevance_linear.h.
#pragma once

#include "kernels/ops/convolution.h"
#include "kernels/ops/inner_product.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// R at the bottom from R at the top, by the table of `rule`; b may be null; the mean, (1, C, H, W),
// is read by rules that name it.
void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, Input mean = {});
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, Input mean = {});

}  // namespace fovea::reference
