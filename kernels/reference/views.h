// What every reference operation takes: dense row-major tensors of double (NCHW or NC).
//
// Reference operations are the formulas of kernels/ops as plain loops in double. They are not
// meant to be fast; everything else is compared with them. An output view with null data is not
// wanted and is not written; wanted outputs are overwritten. Outputs must not overlap inputs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/tensor.h"

namespace fovea::reference {

using Input = TensorView<const double>;
using Output = TensorView<double>;

inline void fill(Output tensor, double value) {
  if (tensor.data) std::fill_n(tensor.data, tensor.count(), value);
}

}  // namespace fovea::reference
