#include "apps/relevance_many.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea::apps {
namespace {

std::span<const float> row_of(const Tensor<float>& scores, std::size_t image) {
  const auto classes = static_cast<std::size_t>(scores.shape.c());
  return std::span(scores.values).subspan(image * classes, classes);
}

}  // namespace

std::unique_ptr<Analyzer> analyzer_of(const RelevanceInputs& inputs, RuleArguments rules,
                                      const std::string& name) {
  rules.rule = name;
  const Graph graph = inputs.graph();
  const AnalyzerOptions options{.composite = composite_of(rules, graph),
                                .device = resolve_device()};
  if (inputs.memory() == 0) return make_analyzer(inputs, graph, options);
  return make_analyzer(inputs, inputs.graph(batch_within(inputs, options, inputs.memory())),
                       options);
}

Tensor<float> images_of(const RelevanceInputs& inputs) {
  Shape shape = inputs.graph().tensors[0].shape;
  shape[0] = std::ssize(inputs.samples());
  Tensor<float> images(shape);
  (void)inputs.fill(0, images.view());
  return images;
}

std::vector<int> predictions_of(const Tensor<float>& scores) {
  std::vector<int> classes;
  for (std::size_t n = 0; n < static_cast<std::size_t>(scores.shape.n()); ++n) {
    const auto row = row_of(scores, n);
    classes.push_back(static_cast<int>(std::ranges::max_element(row) - row.begin()));
  }
  return classes;
}

std::vector<int> targets_of(const WalkArguments& a, const RelevanceInputs& inputs,
                            const Tensor<float>& scores, std::int64_t first) {
  check_targets(a, inputs.samples().size());
  std::vector<int> targets;
  for (std::size_t n = 0; n < static_cast<std::size_t>(scores.shape.n()); ++n) {
    const std::size_t index = static_cast<std::size_t>(first) + n;
    const Sample& sample = inputs.samples()[index];
    targets.push_back(target_of(a, sample.name, index, sample.label, row_of(scores, n)));
    require(targets.back() < scores.shape.c(), "wrong --target: class ", targets.back(),
            ", expected a class below ", scores.shape.c());
  }
  return targets;
}

std::vector<double> probabilities_of(const Tensor<float>& scores, std::size_t image) {
  const auto row = row_of(scores, image);
  const double highest = double{std::ranges::max(row)};
  std::vector<double> p;
  for (const float score : row) p.push_back(std::exp(double{score} - highest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= sum;
  return p;
}

}  // namespace fovea::apps
