// What a kernel source sees of its target, once per target:
//   nvcc               FOVEA_TARGET = cuda, CUDA's own headers, the definitions below
//   the host compiler  FOVEA_TARGET = emulated, everything from kernels/emulated/shim.h
// Every kernel source opens namespace fovea::FOVEA_TARGET, so that both lives fit into one program.
//
//   FOVEA_SHARED(float, tile, 32, 33);          __shared__ float tile[32][33]
//   FOVEA_DYNAMIC_SHARED(bytes);                the dynamic shared memory of the launch
//   auto&& a = shared_part<float, 64, 16>(bytes, offset);      an array in it, offset in bytes
//   const auto v = shared_span<float>(bytes, offset, count);   the same, length known at run time
// Emulated, all of these check their indices.
#pragma once

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/host/launch.h"

#define FOVEA_TARGET cuda
#define FOVEA_TARGET_NAME "cuda"

namespace fovea::cuda {

template <class T, int kExtent, int... kRest>
struct ArrayType {
  using Type = typename ArrayType<T, kRest...>::Type[kExtent];
};
template <class T, int kExtent>
struct ArrayType<T, kExtent> {
  using Type = T[kExtent];
};

// A function rather than a name of its own: one `extern __shared__` array serves every kernel.
__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char fovea_dynamic_shared[];
  return fovea_dynamic_shared;
}

template <class T, int... kExtents>
__device__ __forceinline__ auto shared_part(unsigned char* memory, std::int64_t offset) ->
    typename ArrayType<T, kExtents...>::Type& {
  return *reinterpret_cast<typename ArrayType<T, kExtents...>::Type*>(memory + offset);
}
template <class T>
__device__ __forceinline__ T* shared_span(unsigned char* memory, std::int64_t offset,
                                          std::int64_t) {
  return reinterpret_cast<T*>(memory + offset);
}

}  // namespace fovea::cuda

#define FOVEA_SHARED(type, name, ...) \
  __shared__ typename ::fovea::cuda::ArrayType<type, __VA_ARGS__>::Type name
#define FOVEA_DYNAMIC_SHARED(name) unsigned char* const name = ::fovea::cuda::dynamic_shared()

#endif
