// One operation by itself on one device, fed with plain tensors of the host.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/ops/op.h"

namespace fovea {

// What goes into a layer; all plain.
struct LayerInputs {
  std::vector<Tensor<float>> bottoms, params;
  std::vector<Tensor<float>> top_grads;  // none: a loss, which starts the backward pass
};
struct LayerOutputs {
  std::vector<Tensor<float>> tops, bottom_grads, param_grads;  // empty shapes: not wanted
  double forward_s = 0, backward_s = 0;                        // of one call
  std::string_view implementation;
};

// Forward, and backward where `backward`. `device` is a name of the registry, `memory` its open
// device.
[[nodiscard]] LayerOutputs run_layer(std::string_view device, Device& memory,
                                     const OpProblem& problem, const LayerInputs& inputs,
                                     bool backward);

}  // namespace fovea
