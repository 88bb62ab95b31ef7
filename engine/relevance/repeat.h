// Maps averaged over several inputs made from one image, a bounded number at a time: as many as the
// analyzer's batch holds, whatever the number of steps.
//
// integrated_gradients: mean of the maps at (k + 1/2) / steps * x, k = 0 ... steps - 1, times x
//   (Sundararajan et al. 2017, eq. 3 by the midpoint rule, from the baseline 0: the mean image).
//   With the derivative as the map, the sum over the pixels tends to score(x) - score(0).
// smooth_grad: mean of the maps at x + noise * (max x - min x) * normal numbers (Smilkov et al.
//   2017).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/relevance/analyzer.h"

namespace fovea {

// `images`: (N, C, H, W), N at most the analyzer's batch, with one list of start units each. Image
// n draws its noise from (seed, first_image + n, step), so that maps do not depend on the batch.
// Overwrites the analyzer's input. With RepeatKind::kOnce: one walk.
[[nodiscard]] Tensor<float> repeated_map(Analyzer& analyzer, const Tensor<float>& images,
                                         std::span<const std::vector<StartUnit>> starts,
                                         std::uint64_t seed = 0, std::uint64_t first_image = 0);

}  // namespace fovea
