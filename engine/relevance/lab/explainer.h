// Explanations as functions of images and classes, whatever makes them.
#pragma once

#include <functional>
#include <span>

#include "engine/relevance/analyzer.h"
#include "engine/relevance/lab/perturbation.h"
#include "engine/relevance/pixel_map.h"

namespace fovea::lab {

// Maps (M, H, W) of images (M, C, H, W), any M, for a class per image.
using ExplainFunction =
    std::function<Tensor<float>(TensorView<const float> images, std::span<const int> targets)>;

// An analyzer asked for any number of images: its batch at a time, zeros behind the last. Both
// functions refer to it, so it must outlive them. Composites that average over several walks
// (engine/relevance/repeat.h) draw from `seed`.
[[nodiscard]] ScoreFunction scores_of(Analyzer& analyzer);
[[nodiscard]] ExplainFunction maps_of(Analyzer& analyzer, ChannelFold channels,
                                      std::uint64_t seed = 0);

// The control: standard normal values that know nothing of image, net or class; the map of image m
// is Philox(seed, kAttribution, 2^33 + m).
[[nodiscard]] ExplainFunction random_maps(std::uint64_t seed);
// The second control: the image's edges, which know nothing of net or class. Magnitude of Sobel's
// gradient of the channels' mean, edges of the image repeated.        Adebayo et al. 2018
[[nodiscard]] ExplainFunction edge_maps();

}  // namespace fovea::lab
