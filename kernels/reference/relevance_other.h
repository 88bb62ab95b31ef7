// Relevance of pooling and LRN in double; contract and letters: kernels/ops/relevance_other.h.
// Max pooling's "winner" rule is pooling_gradient() with the argmax of the forward pass.
#pragma once

#include "kernels/ops/lrn.h"
#include "kernels/ops/pooling.h"
#include "kernels/ops/relevance_other.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// In proportion to the values of each window: average pooling, and max pooling's "average" rule.
// `rule`: proportional or toolbox.
void relevance_average_pooling(const PoolingParams& params, AveragePoolingRule rule, Input x,
                               Input r_top, Output r_bottom);

// Identity and gradient for both regions; the others across channels only.
void relevance_lrn(const LrnParams& params, LrnRule rule, Input x, Input r_top, Output r_bottom);

}  // namespace fovea::reference
