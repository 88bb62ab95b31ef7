#include "engine/check/net_values.h"

#include <algorithm>
#include <limits>

#include "engine/core/random.h"

namespace fovea {

NetValues::NetValues(const Executor& model, std::uint64_t seed)
    : graph_(model.graph()),
      seed_(seed),
      values_(graph_.tensors.size()),
      gradients_(graph_.tensors.size()) {
  std::size_t k = 0;
  for (const Node& node : graph_.nodes) {
    params_.emplace_back();
    for (std::size_t i = 0; i < node.params.size(); ++i, ++k)
      params_.back().emplace_back(node.params[i].shape, model.param(k));
  }
  fill_inputs();
}

void NetValues::fill_inputs() {
  std::int64_t classes = std::numeric_limits<std::int32_t>::max();
  for (const Node& node : graph_.nodes) {
    if (std::holds_alternative<SoftmaxLossParams>(node.op) ||
        std::holds_alternative<AccuracyParams>(node.op))
      classes = std::min(classes, shape_of(node.bottoms[0]).c());
  }
  for (const int id : graph_.inputs) {
    const bool is_label = shape_of(id).rank() == 1;
    Tensor<float>& input = values_[static_cast<std::size_t>(id)];
    input = Tensor<float>(shape_of(id));
    const RandomKey key{seed_, RandomPurpose::kTest, static_cast<std::uint64_t>(id)};
    for (std::size_t i = 0; i < input.values.size(); ++i)
      input.values[i] =
          is_label ? static_cast<float>(random_below(key, i, static_cast<std::uint32_t>(classes)))
                   : 256 * random_uniform(key, i) - 128;
  }
}

OpProblem NetValues::problem_of(std::size_t index) const {
  const Node& node = graph_.nodes[index];
  OpProblem problem{.params = node.op,
                    .bottoms = {},
                    .tops = {},
                    .bottom_layouts = {},
                    .propagate = {},
                    .training = true,
                    .seed = seed_,
                    .layer = index};
  for (const int bottom : node.bottoms) {
    problem.bottoms.push_back(shape_of(bottom));
    problem.bottom_layouts.push_back(Layout::kPlain);
    problem.propagate.push_back(graph_.tensors[static_cast<std::size_t>(bottom)].producer >= 0);
  }
  for (const int top : node.tops) problem.tops.push_back(shape_of(top));
  return problem;
}

LayerInputs NetValues::inputs_of(std::size_t node) const {
  LayerInputs inputs{.bottoms = {}, .params = params_[node], .top_grads = {}};
  for (const int bottom : graph_.nodes[node].bottoms) inputs.bottoms.push_back(value(bottom));
  return inputs;
}

Tensor<float> NetValues::gradient(int tensor) const {
  const Tensor<float>& known = gradients_[static_cast<std::size_t>(tensor)];
  if (known.shape == shape_of(tensor)) return known;
  Tensor<float> random(shape_of(tensor));
  const RandomKey key{seed_, RandomPurpose::kTest, 1000000 + static_cast<std::uint64_t>(tensor)};
  for (std::size_t i = 0; i < random.values.size(); ++i)
    random.values[i] = 2 * random_uniform(key, i) - 1;
  return random;
}

void NetValues::keep_values(std::size_t node, const LayerOutputs& outputs) {
  const std::vector<int>& tops = graph_.nodes[node].tops;
  for (std::size_t k = 0; k < tops.size(); ++k)
    values_[static_cast<std::size_t>(tops[k])] = outputs.tops[k];
}

void NetValues::keep_gradients(std::size_t node, const LayerOutputs& outputs) {
  const std::vector<int>& bottoms = graph_.nodes[node].bottoms;
  for (std::size_t k = 0; k < bottoms.size(); ++k)
    gradients_[static_cast<std::size_t>(bottoms[k])] = outputs.bottom_grads[k];
}

}  // namespace fovea
