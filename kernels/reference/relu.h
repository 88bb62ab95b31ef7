// ReLU in double; contract: kernels/ops/simple.h.
#pragma once

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// y may be x.
void relu(double slope, Input x, Output y);

// `sign` is x or y: both are positive together (slope >= 0). dx may be dy.
void relu_gradient(double slope, Input sign, Input dy, Output dx);

}  // namespace fovea::reference
