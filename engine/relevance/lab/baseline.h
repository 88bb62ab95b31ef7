// What takes the place of pixels that are removed from an image.
#pragma once

#include <cstdint>

#include "engine/core/fields.h"
#include "engine/core/tensor.h"

namespace fovea::lab {

enum class Baseline {
  kBlack,      // pixel value 0
  kMean,       // the mean image that the net subtracts: 0 in the net's units
  kImageMean,  // per channel the mean over the image's own pixels
  kNoise,      // uniform in [0, 255] per value: Philox(seed, kAttribution, 2^32 + image)
  kBlur,       // the image under a Gaussian, sigma = width / 16, cut off at 3 sigma; edges repeated
};
}  // namespace fovea::lab
namespace fovea {
template <>
inline constexpr EnumTable<lab::Baseline, 5> enum_names<lab::Baseline>{
    {{"black", lab::Baseline::kBlack},
     {"mean", lab::Baseline::kMean},
     {"image-mean", lab::Baseline::kImageMean},
     {"noise", lab::Baseline::kNoise},
     {"blur", lab::Baseline::kBlur}}};
}  // namespace fovea
namespace fovea::lab {

// How a net's input x comes from pixel values p in 0 .. 255: x = (p - mean) scale.
struct InputUnits {
  Tensor<float> mean;  // (C, H, W), as the net sees it; a scalar: the same everywhere
  float scale = 1;
};

// Baselines for images (M, C, H, W) in the net's units.
[[nodiscard]] Tensor<float> baselines(TensorView<const float> images, Baseline kind,
                                      const InputUnits& units, std::uint64_t seed);

}  // namespace fovea::lab
