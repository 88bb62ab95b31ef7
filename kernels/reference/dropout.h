// Dropout in double; contract: kernels/ops/simple.h.
#pragma once

#include "engine/core/random.h"
#include "kernels/ops/simple.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// The stream that decides which elements layer `layer` keeps in one training iteration.
inline RandomKey dropout_key(std::uint64_t seed, std::uint64_t iteration, std::uint64_t layer) {
  return {seed, RandomPurpose::kDropout, iteration * 4096 + layer};
}

// y_i = x_i * m_(first + i) / (1 - ratio). The gradient is the same map: dx = dropout(dy). `first`:
// where x begins in a batch that several processes share.
void dropout(const DropoutParams& params, const RandomKey& key, Input x, Output y,
             std::int64_t first = 0);

}  // namespace fovea::reference
