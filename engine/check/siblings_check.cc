#include "engine/check/siblings_check.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace fovea {
namespace {

void append(std::vector<Tensor<float>>& to, const std::vector<Tensor<float>>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// sum += scale * values, which may be absent.
void add(Tensor<float>& sum, const Tensor<float>& values, float scale) {
  if (values.shape.rank() == 0) return;
  if (sum.shape.rank() == 0) sum = Tensor<float>(values.shape);
  std::ranges::transform(sum.values, values.values, sum.values.begin(),
                         [scale](float a, float b) { return a + scale * b; });
}

}  // namespace

JoinedSiblings join_siblings(std::span<const OpProblem> problems,
                             std::span<const LayerInputs> inputs,
                             std::span<const LayerOutputs> outputs) {
  JoinedSiblings all{.problem = problems[0], .inputs = {}, .expected = {}, .bounds = {}};
  all.problem.tops.clear();
  all.inputs.bottoms = inputs[0].bottoms;
  all.expected.bottom_grads.resize(1), all.bounds.bottom_grads.resize(1);
  // Bounds grow with the root of a sum's length.
  const float longer = std::sqrt(static_cast<float>(problems.size()));
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    all.problem.tops.push_back(problems[i].tops[0]);
    channels += problems[i].tops[0].c();
    append(all.inputs.params, inputs[i].params);
    append(all.inputs.top_grads, inputs[i].top_grads);
    append(all.expected.tops, outputs[i].tops);
    append(all.expected.param_grads, outputs[i].param_grads);
    add(all.expected.bottom_grads[0], outputs[i].bottom_grads[0], 1);
    all.expected.forward_s += outputs[i].forward_s;
    all.expected.backward_s += outputs[i].backward_s;
    const LayerBounds bounds = layer_bounds(problems[i], inputs[i], outputs[i]);
    append(all.bounds.tops, bounds.tops);
    append(all.bounds.param_grads, bounds.param_grads);
    add(all.bounds.bottom_grads[0], bounds.bottom_grads[0], longer);
  }
  std::get<ConvolutionParams>(all.problem.params).outputs = channels;
  return all;
}

}  // namespace fovea
