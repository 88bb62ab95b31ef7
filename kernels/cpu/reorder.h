// Copies an activation from one layout to another.
#pragma once

#include "kernels/ops/op.h"

namespace fovea {

// Writes every element of `to`, channel padding as zero. Shapes must be equal; memory must not
// overlap.
void reorder(const OpTensor& from, const OpTensor& to);

}  // namespace fovea
