#include "engine/relevance/pixel_map.h"

#include <cmath>

namespace fovea {

Tensor<float> pixel_map(TensorView<const float> relevance, ChannelFold channels) {
  const int rank = relevance.shape.rank();
  require((rank == 2 || rank == 3) && relevance.count() > 0, "relevance has shape ",
          relevance.shape, ", expected channels x height x width");
  const std::int64_t depth = rank == 3 ? relevance.shape[0] : 1;
  Tensor<float> map(Shape{relevance.shape[rank - 2], relevance.shape[rank - 1]});
  const std::int64_t area = map.shape.count();
  for (std::int64_t i = 0; i < area; ++i) {
    double sum = 0;
    for (std::int64_t c = 0; c < depth; ++c) {
      const auto r = static_cast<double>(relevance[c * area + i]);
      sum += channels == ChannelFold::kNorm ? r * r : r;
    }
    const auto value = static_cast<float>(channels == ChannelFold::kNorm ? std::sqrt(sum) : sum);
    map.values[static_cast<std::size_t>(i)] = std::isfinite(value) ? value : 0.0F;
  }
  return map;
}

}  // namespace fovea
