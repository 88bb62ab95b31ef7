// Softmax with logistic loss in double; contract: kernels/ops/simple.h.
//
// Labels: one per (n, h, w), whole numbers; one outside 0 .. C-1 that is not ignored is an Error.
// Without any counted label the loss and the gradient are 0. `count` > 0 is divided by in the place
// of the contract's count: that of a batch of which x is a part.
#pragma once

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// The unweighted loss.
[[nodiscard]] double softmax_loss(const SoftmaxLossParams& params, Input x, Input labels,
                                  double count = 0);

// Starts from loss_weight.
void softmax_loss_gradient(const SoftmaxLossParams& params, Input x, Input labels, Output dx,
                           double count = 0);

}  // namespace fovea::reference
