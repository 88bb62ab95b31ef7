// Stands in for kernels/nccl in a build without CUDA or without NCCL's header.
#include "engine/core/error.h"
#include "kernels/nccl/ranks_sum.h"

namespace fovea::nccl {

Offer offer() {
  return {.version = {},
          .missing =
              "this build has no NCCL: when it was configured there was no nvcc or nccl.h, or "
              "FOVEA_WITH_NCCL=OFF"};
}

std::string make_id() { throw Error("no NCCL: " + offer().missing); }

std::unique_ptr<DeviceSum> join(Device&, const Membership&) {
  throw Error("no NCCL: " + offer().missing);
}

}  // namespace fovea::nccl
