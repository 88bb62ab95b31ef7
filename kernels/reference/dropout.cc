#include "kernels/reference/dropout.h"

namespace fovea::reference {

void dropout(const DropoutParams& params, const RandomKey& key, Input x, Output y,
             std::int64_t first) {
  const double scale = 1.0 / (1.0 - params.ratio);
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const bool kept = random_uniform(key, static_cast<std::uint64_t>(first + i)) >= params.ratio;
    y[i] = kept ? x[i] * scale : 0.0;
  }
}

}  // namespace fovea::reference
