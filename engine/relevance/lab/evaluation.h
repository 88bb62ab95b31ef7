// All measures of one explanation over a set of images.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/relevance/lab/baseline.h"
#include "engine/relevance/lab/perturbation.h"
#include "engine/relevance/lab/randomization.h"

namespace fovea::lab {

struct EvaluationData {
  Tensor<float> images;      // (M, C, H, W), in the net's units
  std::vector<int> targets;  // M
  int classes = 2;
  std::vector<std::uint8_t> masks;  // M H W, or empty: no localisation
  Tensor<float> baselines;          // (M, C, H, W), or a scalar: no perturbation
};

struct EvaluationOptions {
  PerturbationOptions perturbation;  // its order is not read: both are run
  int tolerance = 0;                 // of the pointing game, pixels
  bool random_logit = true, randomization = true;
  std::uint64_t seed = 0;
};

// What kind of map each image has.
struct ImageMeasures {
  double mass_inside = 0, rank_inside = 0;
  bool points_inside = false;
  double sparseness = 0, complexity = 0;
};

struct Evaluation {
  std::string rule;
  std::vector<ImageMeasures> images;  // localisation stays 0 without masks
  std::optional<PerturbationCurve> most_first, least_first;
  std::optional<MapSimilarity> random_logit;
  std::vector<LayerSimilarity> cascading, independent;

  // Means over the images.
  [[nodiscard]] double mean(double ImageMeasures::*measure) const;
  [[nodiscard]] double pointing() const;
  // AOPC of the probability with the most relevant tiles first minus that with the least relevant
  // first: the mean distance between both curves. Needs both.
  [[nodiscard]] double area_between() const;
  // Mean over the layers.
  [[nodiscard]] static double mean_rank_correlation(const std::vector<LayerSimilarity>& layers);
};

// `analyzer`: the net whose parameters are randomised and whose scores are asked for; `explain`
// asks it, or nobody.
[[nodiscard]] Evaluation evaluate(const std::string& rule, Analyzer& analyzer,
                                  const ExplainFunction& explain, const EvaluationData& data,
                                  const EvaluationOptions& options);

}  // namespace fovea::lab
