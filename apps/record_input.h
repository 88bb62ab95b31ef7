// Records of a store as a net sees them: bytes or floats through the test crop.
#pragma once

#include <cstdint>
#include <span>

#include "data/image.h"
#include "data/store.h"
#include "data/transform.h"

namespace fovea::apps {

// Fills `input`, one image of shape `wanted` (C, H, W), from a record: its centre crop, less the
// mean, scaled. Error naming store and record where channels, crop or mean do not fit.
void fill_input(const Store& store, std::uint32_t record, const Shape& wanted,
                const TransformParams& transform, std::span<float> input);

// The same window as a picture in three channels; empty for records of other than 1 or 3 channels.
// Floats are taken for pixels where all lie in 0..255, else their smallest is black and their
// largest white.
[[nodiscard]] Image picture_of(const Store& store, std::uint32_t record, int crop);

}  // namespace fovea::apps
