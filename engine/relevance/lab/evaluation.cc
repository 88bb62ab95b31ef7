#include "engine/relevance/lab/evaluation.h"

#include "engine/relevance/lab/map_measures.h"

namespace fovea::lab {
namespace {

std::vector<ImageMeasures> measure_maps(const Tensor<float>& maps,
                                        std::span<const std::uint8_t> masks, int tolerance) {
  const auto area = static_cast<std::size_t>(maps.shape.count_from(1));
  const int width = static_cast<int>(maps.shape[2]);
  std::vector<ImageMeasures> all;
  for (std::size_t n = 0; n < static_cast<std::size_t>(maps.shape[0]); ++n) {
    const std::span<const float> map(maps.values.data() + n * area, area);
    ImageMeasures m{.sparseness = sparseness(map), .complexity = complexity(map)};
    if (!masks.empty()) {
      const auto mask = masks.subspan(n * area, area);
      m.mass_inside = mass_inside(map, mask), m.rank_inside = rank_inside(map, mask);
      m.points_inside = points_inside(map, mask, width, tolerance);
    }
    all.push_back(m);
  }
  return all;
}

}  // namespace

double Evaluation::mean(double ImageMeasures::*measure) const {
  double sum = 0;
  for (const ImageMeasures& image : images) sum += image.*measure;
  return images.empty() ? 0 : sum / static_cast<double>(images.size());
}

double Evaluation::pointing() const {
  double hits = 0;
  for (const ImageMeasures& image : images) hits += image.points_inside ? 1 : 0;
  return images.empty() ? 0 : hits / static_cast<double>(images.size());
}

double Evaluation::area_between() const {
  expects(most_first && least_first, "both curves");
  return most_first->aopc_probability() - least_first->aopc_probability();
}

double Evaluation::mean_rank_correlation(const std::vector<LayerSimilarity>& layers) {
  double sum = 0;
  for (const LayerSimilarity& layer : layers) sum += layer.similarity.rank_correlation;
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

Evaluation evaluate(const std::string& rule, Analyzer& analyzer, const ExplainFunction& explain,
                    const EvaluationData& data, const EvaluationOptions& options) {
  const TensorView<const float> images = data.images.view();
  const Tensor<float> maps = explain(images, data.targets);
  Evaluation result{.rule = rule, .images = measure_maps(maps, data.masks, options.tolerance)};
  if (data.baselines.shape == data.images.shape) {
    PerturbationOptions perturbation = options.perturbation;
    const auto curve = [&](PerturbationOrder order) {
      perturbation.order = order;
      return perturb(scores_of(analyzer), images, data.baselines.view(), maps.view(), data.targets,
                     perturbation);
    };
    result.most_first = curve(PerturbationOrder::kMostRelevantFirst);
    result.least_first = curve(PerturbationOrder::kLeastRelevantFirst);
  }
  if (options.random_logit && data.classes > 1)
    result.random_logit = random_logit(explain, images, data.targets, data.classes, options.seed);
  if (options.randomization) {
    const auto randomize = [&](Randomization kind) {
      return randomize_parameters(analyzer, explain, images, data.targets, kind, options.seed);
    };
    result.cascading = randomize(Randomization::kCascading);
    result.independent = randomize(Randomization::kIndependent);
  }
  return result;
}

}  // namespace fovea::lab
