// Sanity checks: an explanation of a net must change when the net, or the class asked for, changes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/relevance/lab/explainer.h"

namespace fovea::lab {

// How alike two sets of maps (M, H, W) are: means over the images (engine/relevance/lab/
// similarity.h). Low is good here: the explanation noticed the change.
struct MapSimilarity {
  double rank_correlation = 0, rank_correlation_of_magnitudes = 0, structural_similarity = 0;

  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("rank_correlation", s.rank_correlation),
        v("rank_correlation_of_magnitudes", s.rank_correlation_of_magnitudes),
        v("structural_similarity", s.structural_similarity);
  }
};
[[nodiscard]] MapSimilarity similarity(TensorView<const float> a, TensorView<const float> b);

struct LayerSimilarity {
  std::string layer;
  MapSimilarity similarity;  // of the maps with that layer randomised, to those of the trained net
};

enum class Randomization {
  kCascading,    // from the output down: this layer and all above it
  kIndependent,  // this layer alone
};

// Model parameter randomisation: weights and bias of a layer are drawn anew, normal with the
// trained values' own mean and standard deviation, so that the net's scale stays; Philox(seed,
// kAttribution, 2^34 + parameter). Classes stay those of the trained net. Layers come in the order
// of their randomisation, the last first. `explain` must ask `analyzer`, whose parameters are the
// trained ones again at the end.                                      Adebayo et al. 2018
[[nodiscard]] std::vector<LayerSimilarity> randomize_parameters(
    Analyzer& analyzer, const ExplainFunction& explain, TensorView<const float> images,
    std::span<const int> targets, Randomization kind, std::uint64_t seed);

// The maps of the targets against those of another class, drawn for each image among the others:
// Philox(seed, kAttribution, 2^35).                       Sixt, Granz & Landgraf 2020 (random
// logit)
[[nodiscard]] MapSimilarity random_logit(const ExplainFunction& explain,
                                         TensorView<const float> images,
                                         std::span<const int> targets, int classes,
                                         std::uint64_t seed);

}  // namespace fovea::lab
