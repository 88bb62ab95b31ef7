// Photographs, and records of a store (bytes or floats), as a net sees them: through the test crop.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"
#include "data/store.h"
#include "data/transform.h"

namespace fovea::apps {

// A photograph in colour or grey, as the net's `channels` ask for (3 or 1; else an Error), at the
// size of the mean image; of the crop where there is none.
[[nodiscard]] Image fitting_photograph(const std::string& file, const TransformParams& transform,
                                       int channels);

// Fills `input`, (C, crop, crop), from the image's centre crop, less the mean, scaled.
void fill_input(const Image& image, const TransformParams& transform, std::span<float> input);

// The same window as a picture in three channels; of an image of 1 or 3.
[[nodiscard]] Image picture_of(const Image& image, int crop);

// Fills `input`, one image of shape `wanted` (C, H, W), from a record as from an image. Error
// naming store and record where channels, crop or mean do not fit.
void fill_input(const Store& store, std::uint32_t record, const Shape& wanted,
                const TransformParams& transform, std::span<float> input);

// The same window as a picture; empty for records of other than 1 or 3 channels.
// Floats are taken for pixels where all lie in 0..255, else their smallest is black and their
// largest white.
[[nodiscard]] Image picture_of(const Store& store, std::uint32_t record, int crop);

}  // namespace fovea::apps
