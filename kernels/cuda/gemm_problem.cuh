// A launch of implicit matrix products, and where each of its blocks stands.
#pragma once

#include "kernels/cuda/gemm_operands.cuh"
#include "kernels/cuda/gemm_output.cuh"

namespace fovea::FOVEA_TARGET {

// All that a launch needs: up to kClasses products of one form (classes of pixels, backward to the
// data of a strided convolution), each for every group of channels.
//   grid: x = tiles, columns of tiles innermost, so that a few rows of A stay in L2;
//         y = group; z = class * splits + split
template <class A, class B, int kClasses, class Output = GemmOutput>
struct GemmProblem {
  typename A::Params a[kClasses];
  typename B::Params b[kClasses];
  Output out[kClasses];
  std::int32_t classes, splits, column_tiles;
  std::int32_t a_group, b_group, out_group, bias_group;  // elements from group to group
};

// Where a block stands.
struct GemmPlace {
  std::int32_t group, which, split, row0, column0, k0, blocks;
};
template <class Tile, class A, class B, int kClasses, class Output>
__device__ __forceinline__ GemmPlace gemm_place(const GemmProblem<A, B, kClasses, Output>& p) {
  const int z = static_cast<int>(blockIdx.z), x = static_cast<int>(blockIdx.x);
  GemmPlace at{};
  at.group = static_cast<int>(blockIdx.y);
  at.which = kClasses == 1 ? 0 : z / p.splits;
  at.split = z - at.which * p.splits;
  at.row0 = x / p.column_tiles * Tile::kM;
  at.column0 = x % p.column_tiles * Tile::kN;
  const int all = (p.a[at.which].depth() + Tile::kDepth - 1) / Tile::kDepth;
  const int each = (all + p.splits - 1) / p.splits, first = at.split * each;
  at.k0 = first * Tile::kDepth;
  at.blocks = max(0, min(each, all - first));
  return at;
}

// Where a block writes: its group's part of the result, or of its share's partial sums.
template <class A, class B, int kClasses, class Output>
__device__ __forceinline__ float* gemm_destination(const GemmProblem<A, B, kClasses, Output>& p,
                                                   const GemmPlace& at) {
  const Output& out = p.out[at.which];
  if (p.splits == 1) return out.data + at.group * p.out_group;
  const std::int64_t matrix =
      static_cast<std::int64_t>(at.split) * static_cast<std::int32_t>(gridDim.y) + at.group;
  return out.data + matrix * out.rows * out.columns;
}

}  // namespace fovea::FOVEA_TARGET
