// Siblings (kernels/ops/siblings.h) as one operation, from the same layers one by one.
#pragma once

#include "engine/check/bounds.h"

namespace fovea {

struct JoinedSiblings {
  OpProblem problem;
  LayerInputs inputs;
  LayerOutputs expected;  // gradients of the input added up
  LayerBounds bounds;     // of a sum as long as all of them together
};

// `problems` read the same tensor; `outputs` are what a device made of `inputs`, backward included.
[[nodiscard]] JoinedSiblings join_siblings(std::span<const OpProblem> problems,
                                           std::span<const LayerInputs> inputs,
                                           std::span<const LayerOutputs> outputs);

}  // namespace fovea
