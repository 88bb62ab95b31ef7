// What a step has to move at least: every value, parameter, gradient and state that it needs, once,
// in bytes.
#pragma once

#include "engine/graph/graph.h"
#include "engine/graph/plan.h"

namespace fovea {

[[nodiscard]] double forward_bytes(const Graph& graph, const Plan& plan, const PlannedStep& step,
                                   bool training);
[[nodiscard]] double backward_bytes(const Graph& graph, const Plan& plan, const PlannedStep& step);

}  // namespace fovea
