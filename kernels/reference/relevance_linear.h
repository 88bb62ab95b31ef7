// Relevance of linear layers in double; contract and letters: kernels/ops/relevance_linear.h.
#pragma once

#include "kernels/ops/convolution.h"
#include "kernels/ops/inner_product.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// Bounds of the layer's input, (1, C, H, W), read by rules that name them.
struct Bounds {
  Input low, high;
};

// R at the bottom from R at the top, by the table of `rule`; b may be null.
void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, const Bounds& bounds = {});
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, const Bounds& bounds = {});

}  // namespace fovea::reference
