// Relevance of an input with channels as one value per pixel.
#pragma once

#include "engine/core/fields.h"
#include "engine/core/tensor.h"

namespace fovea {

// How the channels of a pixel become one value: their sum, which keeps the sign and what the rules
// conserve, or their Euclidean norm, as is usual for gradients.
enum class ChannelFold { kSum, kNorm };
template <>
inline constexpr EnumTable<ChannelFold, 2> enum_names<ChannelFold>{
    {{"sum", ChannelFold::kSum}, {"norm", ChannelFold::kNorm}}};

// Relevance (C, H, W) or (H, W) as one value per pixel, (H, W); NaN and infinite ones count as
// zero. Error when there is no pixel.
[[nodiscard]] Tensor<float> pixel_map(TensorView<const float> relevance_chw,
                                      ChannelFold channels = ChannelFold::kSum);

}  // namespace fovea
