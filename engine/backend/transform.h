// The data transformer where the images lie.
#pragma once

#include "kernels/ops/device.h"
#include "kernels/ops/transform_kernels.h"

namespace fovea {

// Queues `problem` on the device of `memory`, in which all its pointers lie. False, and nothing
// done, where that is the host's: data/transform.h serves there.
bool transform_images(Device& memory, const TransformProblem& problem);

}  // namespace fovea
