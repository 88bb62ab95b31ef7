// The host as a device: its own memory, work done when it is called for.
#pragma once

#include <memory>

#include "kernels/ops/device.h"

namespace fovea {

[[nodiscard]] std::shared_ptr<Device> open_host_device();

}  // namespace fovea
