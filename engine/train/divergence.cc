#include "engine/train/divergence.h"

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

}  // namespace

std::string where_not_finite(Executor& executor, std::uint64_t iteration) {
  for (std::size_t k = executor.param_count(); k-- > 0;) {
    if (!all_finite(executor.param(k)))
      return str("the parameter ", executor.param_info(k).name, " is not finite");
  }
  const Graph& graph = executor.graph();
  for (const int input : graph.inputs) {
    const std::string& name = graph.tensors[static_cast<std::size_t>(input)].blob;
    if (!all_finite(executor.tensor(input).values))
      return str("the input '", name, "' is not finite");
  }
  const std::vector<StepInfo> steps = executor.steps();
  for (std::size_t s = 0; s < steps.size(); ++s) {
    executor.forward_step(s, iteration);
    for (const int index : steps[s].nodes) {
      const Node& node = graph.nodes[static_cast<std::size_t>(index)];
      for (const int top : node.tops) {
        if (!all_finite(executor.tensor(top).values))
          return str("the output of layer ", steps[s].nodes.size() > 1 ? node.name : steps[s].label,
                     " is not finite");
      }
    }
  }
  return "the sum of the losses is not finite";
}

std::string tensor_not_finite(const WeightFile& file) {
  for (auto tensor = file.tensors.rbegin(); tensor != file.tensors.rend(); ++tensor) {
    if (!all_finite(tensor->second.values)) return tensor->first;
  }
  return "";
}

}  // namespace fovea
