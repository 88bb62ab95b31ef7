// Accuracy in double; contract: kernels/ops/simple.h. No gradient.
#pragma once

#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// accuracy (scalar); per_class (C) may be null. A share of nothing is 0.
void accuracy(const AccuracyParams& params, Input scores, Input labels, Output accuracy,
              Output per_class);

}  // namespace fovea::reference
