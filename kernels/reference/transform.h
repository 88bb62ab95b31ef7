// The data transformer in double; contract and letters: kernels/ops/transform_kernels.h.
#pragma once

#include <vector>

#include "kernels/ops/transform_kernels.h"

namespace fovea::reference {

// y as (N, C, P, Q), of `problem`, whose pointers lie in host memory here; y's data is not used.
[[nodiscard]] std::vector<double> transform(const TransformProblem& problem);

}  // namespace fovea::reference
