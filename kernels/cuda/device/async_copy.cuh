// cp.async (sm_80 and newer): copies from global to shared memory that threads issue, group and
// wait for. Source: PTX ISA, "Data movement: cp.async".
#pragma once

#include "kernels/cuda/device/target.cuh"

#if defined(__CUDACC__)
namespace fovea::cuda {

__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

// kBytes (4, 8 or 16) from global to shared memory, of which the first `source_bytes` are read and
// the rest is zero. Both addresses are multiples of kBytes. 16 bytes go past L1.
template <int kBytes>
__device__ __forceinline__ void async_copy(void* shared, const void* global,
                                           int source_bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(global), "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)),
                 "l"(global), "n"(kBytes), "r"(source_bytes)
                 : "memory");
  }
}
__device__ __forceinline__ void async_copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Until at most `kLeft` of the latest committed groups are still under way.
template <int kLeft>
__device__ __forceinline__ void async_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}
__device__ __forceinline__ void async_copy_wait_all() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

}  // namespace fovea::cuda
#endif
