// Softmax with logistic loss in double; contract: kernels/ops/simple.h.
//
// Labels: one per (n, h, w), whole numbers; one outside 0 .. C-1 that is not ignored is an Error.
// Without any counted label the loss and the gradient are 0.
#pragma once

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// The unweighted loss.
[[nodiscard]] double softmax_loss(const SoftmaxLossParams& params, Input x, Input labels);

// Starts from loss_weight.
void softmax_loss_gradient(const SoftmaxLossParams& params, Input x, Input labels, Output dx);

}  // namespace fovea::reference
