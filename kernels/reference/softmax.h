// Softmax over channels in double; contract: kernels/ops/simple.h.
#pragma once

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

void softmax(Input x, Output y);

// dx_c = y_c (dy_c - sum_c' dy_c' y_c')
void softmax_gradient(Input y, Input dy, Output dx);

}  // namespace fovea::reference
