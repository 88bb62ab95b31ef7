// Runs one operation outside of an executor, under every condition that the contract of
// kernels/ops/op.h allows a planner to create.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/ops/batch_share.h"
#include "kernels/ops/op.h"

namespace fovea {

// All tensors here are plain.
struct OpInputs {
  std::vector<Tensor<float>> bottoms, params, top_grads;  // no top_grads: a loss
};
struct OpOutputs {
  std::vector<Tensor<float>> tops, bottom_grads, param_grads;
};

struct RunConditions {
  bool in_place = false;                // top 0 in the memory of bottom 0, gradients likewise
  bool wants_param_grads = true;        // false: null param_grads (a frozen layer)
  std::size_t frozen_param = SIZE_MAX;  // null gradient for this one alone
  std::uint64_t iteration = 0;
  std::string device = {};  // whose memory; empty: by the implementation's name
  std::optional<BatchShare> share = {};  // the batch is a part of one; the operation must know that
};

// Forward, and backward when problem.training. Outputs, state and scratch are filled with NaN
// before, values that backward says it does not read are destroyed between, and channel padding of
// what was written must be zero (a test failure otherwise).
OpOutputs run_op(const OpProblem& problem, const Implementation& implementation,
                 const OpInputs& inputs, const RunConditions& conditions = {});

}  // namespace fovea
