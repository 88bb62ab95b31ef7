// The kernels' operations, once per target, for engine/backend.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/library_support.h"
#include "kernels/ops/device.h"
#include "kernels/ops/op.h"
#include "kernels/ops/relevance_kernels.h"
#include "kernels/ops/sgd_kernels.h"
#include "kernels/ops/transform_kernels.h"

namespace fovea {

// A target that this build may have: its implementations, best first, and its devices.
struct Target {
  std::vector<const Implementation*> implementations;  // empty: not in this build
  std::vector<const Implementation*> siblings;         // for kernels/ops/siblings.h, best first
  // GPUs of this machine; 0 where there is none, or no driver. Opens nothing.
  int (*device_count)() = nullptr;
  // Device `index`; Error when there is none.
  std::shared_ptr<Device> (*open)(int index) = nullptr;
  // What of the machine a device that open() gave is, and no two ranks may share: a GPU's place on
  // the bus. Empty: nothing.
  std::string (*unit)(Device& device) = nullptr;
  // For a device that open() gave; it must outlive them.
  std::unique_ptr<RelevanceKernels> (*relevance)(Device& device) = nullptr;
  std::unique_ptr<SgdKernels> (*sgd)(Device& device, std::span<const SgdBlob> blobs) = nullptr;
  // Windows of uint8 images into a net's input; queued.
  void (*transform)(Device& device, const TransformProblem& problem) = nullptr;
  // FLOP/s on registers alone.
  double (*peak_flops)(Device& device, Precision precision) = nullptr;
  const LibrarySupport* library_support = nullptr;
};

namespace cuda {
[[nodiscard]] Target target();  // kernels/cuda by nvcc; kernels/absent otherwise
}
namespace emulated {
[[nodiscard]] Target target();  // kernels/cuda by the host compiler; kernels/absent otherwise
}

}  // namespace fovea
