// 16-byte accesses to global memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

inline bool aligned16(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

// p is a multiple of 16 bytes.
__device__ __forceinline__ float4 load4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ void store4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }

// f(x) or f(x, y) on each of the four.
template <class F>
__device__ __forceinline__ float4 map4(F f, float4 a) {
  return make_float4(f(a.x), f(a.y), f(a.z), f(a.w));
}
template <class F>
__device__ __forceinline__ float4 map4(F f, float4 a, float4 b) {
  return make_float4(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w));
}

}  // namespace fovea::FOVEA_TARGET
