// Copies an activation from one layout to another on a device; plain and channels-last only.
#pragma once

#include "kernels/ops/op.h"

namespace fovea::cuda {
void reorder(Device& device, const OpTensor& from, const OpTensor& to);
}
namespace fovea::emulated {
void reorder(Device& device, const OpTensor& from, const OpTensor& to);
}
