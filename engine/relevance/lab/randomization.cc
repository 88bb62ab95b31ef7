#include "engine/relevance/lab/randomization.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/relevance/lab/similarity.h"

namespace fovea::lab {
namespace {

// Parameters of one layer, as trained.
struct LayerParams {
  std::string layer;
  std::vector<std::size_t> params;
  std::vector<std::vector<float>> trained;
};

std::vector<LayerParams> layers_of(const Executor& executor) {
  std::vector<LayerParams> layers;
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    const std::string& name = executor.param_info(k).name;
    const std::string layer = name.substr(0, name.rfind('.'));
    if (layers.empty() || layers.back().layer != layer) layers.push_back({layer, {}, {}});
    layers.back().params.push_back(k);
    layers.back().trained.push_back(executor.param(k));
  }
  std::ranges::reverse(layers);
  return layers;
}

std::vector<float> redrawn(std::span<const float> trained, std::uint64_t seed, std::size_t param) {
  const auto count = static_cast<double>(trained.size());
  const double mean = std::accumulate(trained.begin(), trained.end(), 0.0) / count;
  double squares = 0;
  for (const float w : trained) squares += (double{w} - mean) * (double{w} - mean);
  const double deviation = std::sqrt(squares / count);
  const RandomKey key{seed, RandomPurpose::kAttribution, (std::uint64_t{1} << 34) + param};
  std::vector<float> values(trained.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(mean + deviation * double{random_normal(key, i)});
  return values;
}

std::vector<float> magnitudes(std::span<const float> map) {
  std::vector<float> values(map.begin(), map.end());
  for (float& v : values) v = std::abs(v);
  return values;
}

}  // namespace

MapSimilarity similarity(TensorView<const float> a, TensorView<const float> b) {
  expects(a.shape == b.shape && a.shape.rank() == 3, "as many maps of one size");
  const auto area = static_cast<std::size_t>(a.shape.count_from(1));
  const int width = static_cast<int>(a.shape[2]);
  MapSimilarity sum;
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.shape[0]); ++n) {
    const std::span x = a.span().subspan(n * area, area), y = b.span().subspan(n * area, area);
    sum.rank_correlation += rank_correlation(x, y);
    sum.rank_correlation_of_magnitudes += rank_correlation(magnitudes(x), magnitudes(y));
    sum.structural_similarity += structural_similarity(x, y, width);
  }
  const auto count = static_cast<double>(a.shape[0]);
  return {sum.rank_correlation / count, sum.rank_correlation_of_magnitudes / count,
          sum.structural_similarity / count};
}

std::vector<LayerSimilarity> randomize_parameters(Analyzer& analyzer,
                                                  const ExplainFunction& explain,
                                                  TensorView<const float> images,
                                                  std::span<const int> targets, Randomization kind,
                                                  std::uint64_t seed) {
  Executor& executor = analyzer.executor();
  const std::vector<LayerParams> layers = layers_of(executor);
  const Tensor<float> trained = explain(images, targets);
  const auto restore = [&](const LayerParams& layer) {
    for (std::size_t i = 0; i < layer.params.size(); ++i)
      executor.set_param(layer.params[i], layer.trained[i]);
  };
  std::vector<LayerSimilarity> result;
  for (const LayerParams& layer : layers) {
    for (std::size_t i = 0; i < layer.params.size(); ++i)
      executor.set_param(layer.params[i], redrawn(layer.trained[i], seed, layer.params[i]));
    analyzer.weights_changed();
    const Tensor<float> maps = explain(images, targets);
    result.push_back({layer.layer, similarity(trained.view(), maps.view())});
    if (kind == Randomization::kIndependent) restore(layer);
  }
  for (const LayerParams& layer : layers) restore(layer);
  analyzer.weights_changed();
  return result;
}

MapSimilarity random_logit(const ExplainFunction& explain, TensorView<const float> images,
                           std::span<const int> targets, int classes, std::uint64_t seed) {
  require(classes >= 2, "wrong number of classes: ", classes, ", expected 2 or more");
  const RandomKey key{seed, RandomPurpose::kAttribution, std::uint64_t{1} << 35};
  std::vector<int> others(targets.begin(), targets.end());
  for (std::size_t n = 0; n < others.size(); ++n) {
    const auto step = random_below(key, n, static_cast<std::uint32_t>(classes - 1));
    others[n] = (others[n] + 1 + static_cast<int>(step)) % classes;
  }
  const Tensor<float> own = explain(images, targets), other = explain(images, others);
  return similarity(own.view(), other.view());
}

}  // namespace fovea::lab
