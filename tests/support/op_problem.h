// Problems of one bottom and one top in training, and inputs for them.
#pragma once

#include "tests/support/op_runner.h"

namespace fovea {

inline OpProblem op_problem(const OpParams& params, const Shape& x, bool relu = false,
                            float slope = 0) {
  OpProblem problem{.params = params,
                    .bottoms = {x},
                    .tops = {},
                    .bottom_layouts = {Layout::kPlain},
                    .propagate = {true},
                    .training = true,
                    .fused_relu = relu,
                    .relu_slope = slope};
  problem.tops = {std::visit(
      [&](const auto& p) {
        if constexpr (requires { output_shape(p, x); }) {
          return output_shape(p, x);
        } else {
          return x;
        }
      },
      params)};
  return problem;
}

// make(shape, seed) with another seed for each of them.
template <class Make>
OpInputs inputs_of(const OpProblem& problem, Make&& make) {
  OpInputs inputs;
  inputs.bottoms = {make(problem.bottoms[0], 1)};
  inputs.top_grads = {make(problem.tops[0], 2)};
  std::visit(
      [&](const auto& p) {
        if constexpr (requires { weight_shape(p, problem.bottoms[0]); }) {
          inputs.params = {make(weight_shape(p, problem.bottoms[0]), 3)};
          if (p.bias) inputs.params.push_back(make({p.outputs}, 4));
        }
      },
      problem.params);
  return inputs;
}

}  // namespace fovea
