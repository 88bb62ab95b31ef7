// Where numbers stopped being numbers.
#pragma once

#include <string>

#include "engine/graph/executor.h"
#include "engine/io/safetensors.h"

namespace fovea {

// After a forward pass whose loss is infinite or NaN, with its inputs still in place: runs it again
// step by step and says what is not finite: the weights of the last such layer (gradients overflow
// there and spoil what lies below), else an input, else the output of the first such layer.
[[nodiscard]] std::string where_not_finite(Executor& executor, std::uint64_t iteration);

// Name of the last tensor, in the file's order, that has a value which is infinite or NaN; "" =
// none.
[[nodiscard]] std::string tensor_not_finite(const WeightFile& file);

}  // namespace fovea
