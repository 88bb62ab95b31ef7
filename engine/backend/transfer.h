// Plain tensors into and out of a device's memory, whatever the layout there.
#pragma once

#include "engine/core/tensor.h"
#include "kernels/ops/op.h"

namespace fovea {

// `to` has the shape of `plain`; its channel padding becomes zero.
void upload_plain(Device& device, TensorView<const float> plain, const OpTensor& to);
[[nodiscard]] Tensor<float> download_plain(Device& device, const OpTensor& from);

}  // namespace fovea
