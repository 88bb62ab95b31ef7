// Parameters as the net definition starts them (kernels/ops/filler.h), from Philox: blob k of seed
// s is always the same.
#pragma once

#include "engine/graph/executor.h"

namespace fovea {

void fill(const Filler& filler, const Shape& shape, std::uint64_t seed, std::uint64_t blob,
          std::span<float> values);

// Every learnable blob of `executor`, k = its index.
void fill_params(Executor& executor, std::uint64_t seed);

}  // namespace fovea
