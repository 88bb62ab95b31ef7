// One step of relevance by itself on one device.
#pragma once

#include <span>
#include <string>

#include "engine/core/tensor.h"
#include "engine/relevance/step.h"

namespace fovea {

// Binds the step, gives it scratch memory and its layer's parameters (none: it has none), and runs
// it once: how many seconds, and by what.
void run_step(RelevanceStep& step, Device& memory, RelevanceBinding binding,
              std::span<const Tensor<float>> params, double& seconds, std::string& implementation);

}  // namespace fovea
