// A matrix product in float32 whose operands are computed on load: D(m, n) = sum_k A(m, k) B(k, n),
// summed in the order of k.
//
//   tile of 64 x 64 values of D to a block, 16 of k at a time through shared memory; 16 x 16
//   threads with 4 x 4 values each, so that every value from shared memory serves four products
//   blockIdx: x along m (which may be long), y along n, z = the problem's group
//
// A Problem is a trivially copyable struct with
//   int m, n, k;                                extents of one group
//   static constexpr bool kRowsOfA, kRowsOfB;   whether neighbours in k are neighbours in memory
//   float a(int group, int m, int k) const;     within the extents
//   float b(int group, int k, int n) const;
//   void store(int group, int m, int n, float value) const;
#pragma once

#include "kernels/cuda/device/vector.cuh"

namespace fovea::FOVEA_TARGET {

inline constexpr int kProductTile = 64, kProductDepth = 16, kProductThreads = 256;

// tile[k][i] = value(i, k) of a slab of 64 x 16. Threads run along what is contiguous in memory.
template <bool kAlongDepth, class Tile, class Value>
__device__ __forceinline__ void load_slab(const Tile& tile, int extent, int depth, Value&& value) {
  const int t = static_cast<int>(threadIdx.x);
  for (int j = 0; j < kProductTile * kProductDepth / kProductThreads; ++j) {
    const int at = t + j * kProductThreads;
    const int i = kAlongDepth ? at / kProductDepth : at % kProductTile;
    const int k = kAlongDepth ? at % kProductDepth : at / kProductTile;
    tile[k][i] = i < extent && k < depth ? value(i, k) : 0.0F;
  }
}

template <class Problem>
__global__ void __launch_bounds__(kProductThreads) tiled_product(Problem p) {
  FOVEA_SHARED(float, a_tile, kProductDepth, kProductTile + 4);
  FOVEA_SHARED(float, b_tile, kProductDepth, kProductTile + 4);
  const int group = static_cast<int>(blockIdx.z);
  const int m0 = static_cast<int>(blockIdx.x) * kProductTile;
  const int n0 = static_cast<int>(blockIdx.y) * kProductTile;
  const int row = static_cast<int>(threadIdx.x) / 16 * 4,
            column = static_cast<int>(threadIdx.x) % 16 * 4;
  float sum[4][4] = {};
  for (int k0 = 0; k0 < p.k; k0 += kProductDepth) {
    load_slab<Problem::kRowsOfA>(a_tile, p.m - m0, p.k - k0,
                                 [&](int i, int k) { return p.a(group, m0 + i, k0 + k); });
    load_slab<Problem::kRowsOfB>(b_tile, p.n - n0, p.k - k0,
                                 [&](int i, int k) { return p.b(group, k0 + k, n0 + i); });
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kProductDepth; ++k) {
      const float4 a = load4(&a_tile[k][row]), b = load4(&b_tile[k][column]);
      const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += as[i] * bs[j];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int m = m0 + row + i, n = n0 + column + j;
      if (m < p.m && n < p.n) p.store(group, m, n, sum[i][j]);
    }
  }
}

}  // namespace fovea::FOVEA_TARGET
