// Fan-out in double; contract: kernels/ops/simple.h.
#pragma once

#include <span>

#include "kernels/reference/views.h"

namespace fovea::reference {

// Every y is x.
void split(Input x, std::span<const Output> ys);

// dx is the sum of the dys; a dy with null data (a top that no loss depends on) counts as zero.
void split_gradient(std::span<const Input> dys, Output dx);

}  // namespace fovea::reference
