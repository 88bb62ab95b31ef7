// Where everything that a plan needs while it runs lies in one arena.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/graph/plan.h"

namespace fovea {

// Offsets in bytes. What is needed at different times shares memory: the forward pass of step s of
// S is at time s, its backward pass at 2 S - 1 - s. Inputs and what the options keep stay for the
// whole run.
struct ExecutionMemory {
  std::size_t bytes = 0;
  std::vector<std::size_t> values, gradients;  // per storage of the plan
  std::vector<std::size_t> states;             // per step
  std::size_t scratch = 0;                     // of all steps
};
[[nodiscard]] ExecutionMemory plan_memory(const Graph& graph, const Plan& plan,
                                          const ExecutorOptions& options);

}  // namespace fovea
