// Reductions in a fixed order, so that equal inputs give equal bits.
#pragma once

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

// Over the 32 lanes of a full warp; every lane gets the result.
__device__ __forceinline__ float warp_sum(float value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFU, value, step);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
  for (int step = 16; step > 0; step /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFU, value, step));
  return value;
}

// Over a block of kThreads; every thread gets the result. Two barriers.
template <int kThreads>
__device__ __forceinline__ float block_sum(float value) {
  FOVEA_SHARED(float, part, kThreads / 32);
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < kThreads / 32; ++i) sum += part[i];
  return sum;
}

// Any type with an associative `combine(T, T)` over a block of kThreads, pairwise in a fixed order;
// every thread gets the
// result. T has no initialisers (it lies in shared memory).
template <int kThreads, class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, Combine combine) {
  FOVEA_SHARED(T, part, kThreads);
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  part[thread] = value;
  __syncthreads();
  for (int step = kThreads / 2; step > 0; step /= 2) {
    if (thread < step) part[thread] = combine(part[thread], part[thread + step]);
    __syncthreads();
  }
  return part[0];
}

}  // namespace fovea::FOVEA_TARGET
