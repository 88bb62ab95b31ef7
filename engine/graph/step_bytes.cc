#include "engine/graph/step_bytes.h"

#include <algorithm>

namespace fovea {
namespace {

double bytes_of(const Plan& plan, int id) {
  const PlannedTensor& t = plan.tensors[static_cast<std::size_t>(id)];
  return static_cast<double>(t.shape.count()) * sizeof(float);
}
double param_bytes(const Graph& graph, const PlannedStep& step) {
  double bytes = 0;
  for (const int node : step.nodes) {
    for (const ParamInfo& param : graph.nodes[static_cast<std::size_t>(node)].params)
      bytes += static_cast<double>(param.shape.count()) * sizeof(float);
  }
  return bytes;
}
}  // namespace

double forward_bytes(const Graph& graph, const Plan& plan, const PlannedStep& step, bool training) {
  double bytes = param_bytes(graph, step);
  for (const int id : step.bottoms) bytes += bytes_of(plan, id);
  for (const int id : step.tops) bytes += bytes_of(plan, id);
  if (step.op && training) bytes += static_cast<double>(step.op->state_bytes());
  return bytes;
}
// Parameters are read where data gradients are written, their gradients written.
double backward_bytes(const Graph& graph, const Plan& plan, const PlannedStep& step) {
  double bytes = step.op ? static_cast<double>(step.op->state_bytes()) : 0;
  const auto has_gradient = [&](int id) {
    return plan.tensors[static_cast<std::size_t>(id)].grad_storage >= 0;
  };
  for (const int id : step.bottoms) {
    if (has_gradient(id)) bytes += bytes_of(plan, id);
    if (step.op && step.op->backward_reads_bottoms()) bytes += bytes_of(plan, id);
  }
  for (const int id : step.tops) {
    if (has_gradient(id)) bytes += bytes_of(plan, id);
    if (step.op && step.op->backward_reads_tops()) bytes += bytes_of(plan, id);
  }
  const bool data = std::ranges::any_of(step.bottoms, has_gradient);
  return bytes + param_bytes(graph, step) * (data ? 2 : 1);
}

}  // namespace fovea
