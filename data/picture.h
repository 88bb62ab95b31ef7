// Pictures of relevance: heatmaps, overlays, grids. All pictures are data/image.h images with three
// channels.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "data/colormap.h"
#include "data/image.h"
#include "engine/core/tensor.h"

namespace fovea {

// What a relevance map is divided by before it is coloured.
enum class Normalization {
  kMaxAbs,  // its largest magnitude: the whole map fits, 0 stays neutral
  kMax,     // its largest value, as the study's gray-red, black-green and blue-black-yellow do;
            // what lies below minus that is cut off. Like kMaxAbs where nothing is positive
  kNone     // nothing: it is in [-1, 1] already
};

// Relevance (C, H, W) or (H, W): summed over the channels, normalised; (H, W). A map of zeros stays
// zero, NaN and infinite sums count as zero. Error when there is no pixel.
[[nodiscard]] Tensor<float> normalized_map(TensorView<const float> relevance_chw,
                                           Normalization normalization);

[[nodiscard]] Image heatmap(TensorView<const float> relevance_chw, const Colormap& map,
                            Normalization normalization = Normalization::kMaxAbs);

// The heatmap over the image in gray, the more of it the larger the relevance: alpha = sqrt |v|.
// Error when image and relevance differ in height or width.
[[nodiscard]] Image overlay(const Image& image, TensorView<const float> relevance_chw,
                            const Colormap& map,
                            Normalization normalization = Normalization::kMaxAbs);

// Three equal channels: 0.299 R + 0.587 G + 0.114 B. One-channel images are repeated.
[[nodiscard]] Image grayed(const Image& image);
// below + alpha * (above - below) per pixel; alpha holds height * width values in [0, 1].
[[nodiscard]] Image blended(const Image& below, const Image& above, std::span<const float> alpha);
// Every pixel as a square of factor x factor pixels.
[[nodiscard]] Image enlarged(const Image& image, int factor);
// Pictures row by row, `gap` pixels of `background` between them; a cell has the size of the
// largest picture, smaller ones lie in its upper left corner.
[[nodiscard]] Image grid(std::span<const Image> images, int columns, int gap = 4,
                         std::array<std::uint8_t, 3> background = {255, 255, 255});

}  // namespace fovea
