// Concatenation in double; contract: kernels/ops/simple.h.
#pragma once

#include <span>

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// y is the xs side by side along `axis`.
void concat(int axis, std::span<const Input> xs, Output y);

// Each dx is its part of dy.
void concat_gradient(int axis, Input dy, std::span<const Output> dxs);

}  // namespace fovea::reference
