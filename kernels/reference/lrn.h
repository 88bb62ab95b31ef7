// Local response normalisation in double; contract and letters: kernels/ops/lrn.h.
#pragma once

#include "kernels/ops/lrn.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// The base S of the power at one element: y = x * S^-beta, for both regions.
[[nodiscard]] double lrn_scale(const LrnParams& params, Input x, std::int64_t n, std::int64_t c,
                               std::int64_t h, std::int64_t w);

void lrn(const LrnParams& params, Input x, Output y);

void lrn_gradient(const LrnParams& params, Input x, Input dy, Output dx);

}  // namespace fovea::reference
