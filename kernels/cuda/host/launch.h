// launch<kernel>(grid, block, shared_bytes, stream, arguments...): the only way to run a kernel.
//
// Checked, with an NVTX range of the kernel's name, on an explicit stream, whichever device the
// thread means. A kernel's mistake shows
// at a later call on the stream, as CUDA reports it.
#pragma once

#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>

#include <string>
#include <string_view>
#include <type_traits>

#include "kernels/cuda/host/check.h"

namespace fovea::cuda {

// A queue of work of a GPU; owned by whoever made it (resources.h).
struct Stream {
  cudaStream_t handle = nullptr;
  int device = 0;
};

// Marks the host's time between construction and destruction for Nsight.
class NvtxRange {
 public:
  explicit NvtxRange(const char* name) { nvtxRangePushA(name); }
  ~NvtxRange() { nvtxRangePop(); }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;
};

// "relu_forward" out of a function's signature.
template <auto kKernel>
const std::string& kernel_name() {
  const auto name_in = [](std::string_view text) {
    text = text.substr(text.find("kKernel = ") + 10);
    text = text.substr(0, text.find_first_of(";]<"));
    return std::string(text.substr(text.rfind(':') + 1));
  };
  static const std::string name = name_in(__PRETTY_FUNCTION__);
  return name;
}

// Bytes of dynamic shared memory that a block may have: 227 KiB on an H100, 99 on GPUs for desktops.
inline std::size_t most_shared(Stream stream) {
  int bytes = 0;
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, stream.device));
  return static_cast<std::size_t>(bytes);
}

// More than 48 KB of dynamic shared memory has to be asked for, once per kernel.
template <auto kKernel>
void allow_shared(std::size_t bytes) {
  if (bytes <= 48 << 10) return;
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kKernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

template <auto kKernel, class... Parameters>
void launch_with(void (*)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                 Stream stream, std::type_identity_t<Parameters>... arguments) {
  const NvtxRange range(kernel_name<kKernel>().c_str());
  const DeviceScope scope(stream.device);
  allow_shared<kKernel>(shared_bytes);
  void* pointers[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  check(cudaLaunchKernel(reinterpret_cast<const void*>(kKernel), grid, block, pointers,
                         shared_bytes, stream.handle));
}

template <auto kKernel, class... Arguments>
void launch(dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
            const Arguments&... arguments) {
  launch_with<kKernel>(kKernel, grid, block, shared_bytes, stream, arguments...);
}

}  // namespace fovea::cuda
