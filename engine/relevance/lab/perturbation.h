// Region perturbation: if relevance is right, changing what it points to first hurts a class's
// score most.                    Bach et al. 2015 (pixel flipping); Samek et al. 2017 (regions)
//
// An image is tiled by squares of `region` pixels (cut off at the right and lower edge). Tiles are
// ordered by the sum of their relevance; step k has the first round(k share T / K) of the T tiles
// replaced by the baseline, k = 0 .. K. The curve of a score f over the steps, and its summary
//   AOPC = 1 / (K + 1) sum_{k=0}^{K} ( f(x_0) - f(x_k) )                    Samek et al. 2017, eq.
//   12
// AOPC is high when the most relevant tiles go first and low when the least relevant do; their
// difference, the area between both curves, has less of what any change does to the net.
// region = 1 is pixel flipping.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/core/fields.h"
#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace fovea::lab {

enum class PerturbationOrder { kMostRelevantFirst, kLeastRelevantFirst, kRandom };
}  // namespace fovea::lab
namespace fovea {
template <>
inline constexpr EnumTable<lab::PerturbationOrder, 3> enum_names<lab::PerturbationOrder>{
    {{"morf", lab::PerturbationOrder::kMostRelevantFirst},
     {"lerf", lab::PerturbationOrder::kLeastRelevantFirst},
     {"random", lab::PerturbationOrder::kRandom}}};
}  // namespace fovea
namespace fovea::lab {

struct PerturbationOptions {
  int region = 4;   // side of a tile in pixels, 1 or more
  int steps = 20;   // K, 1 or more
  float share = 1;  // of the tiles replaced in the last step, in (0, 1]
  PerturbationOrder order = PerturbationOrder::kMostRelevantFirst;
  std::uint64_t seed = 0;  // of the random order: Philox(seed, kAttribution, image index)
};

// Scores of images (B, C, H, W), any B: (B, classes), before softmax.
using ScoreFunction = std::function<Tensor<float>(TensorView<const float>)>;

// Mean over the images, at steps 0 .. K.
struct PerturbationCurve {
  std::vector<double> share;        // of the tiles replaced
  std::vector<double> score;        // of the target class, before softmax
  std::vector<double> probability;  // of the target class, after softmax
  std::vector<double> accuracy;     // share of images whose highest score is still the target's
  [[nodiscard]] double aopc_score() const { return aopc(score); }
  [[nodiscard]] double aopc_probability() const { return aopc(probability); }
  [[nodiscard]] static double aopc(std::span<const double> values);
};

// Pixels of one map (H, W) as the tile numbers (row-major over tiles) in the order in which they
// are replaced; equal sums in tile order.
[[nodiscard]] std::vector<std::uint32_t> perturbation_order(TensorView<const float> map,
                                                            const PerturbationOptions& options,
                                                            std::uint64_t image);

// images, baselines: (M, C, H, W); maps: (M, H, W); a target class per image. The scores are asked
// for step by step with all images at once, which never need to be in memory twice but for one
// copy. Error when shapes do not fit.
[[nodiscard]] PerturbationCurve perturb(const ScoreFunction& scores, TensorView<const float> images,
                                        TensorView<const float> baselines,
                                        TensorView<const float> maps, std::span<const int> targets,
                                        const PerturbationOptions& options);

}  // namespace fovea::lab
