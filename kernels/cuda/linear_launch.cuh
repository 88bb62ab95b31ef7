// Starting implicit matrix products, and adding up their shares of k.
#pragma once

#include "kernels/cuda/gemm_ffma.cuh"
#include "kernels/cuda/gemm_partials.cuh"
#include "kernels/cuda/linear_ffma.cuh"
#include "kernels/cuda/linear_problems.cuh"

namespace fovea::FOVEA_TARGET {

template <class Problem>
dim3 gemm_grid(const Problem& p, std::int32_t groups, std::int32_t tile_m) {
  std::int32_t rows = 0;
  for (std::int32_t i = 0; i < std::max(p.classes, 1); ++i) rows = std::max(rows, p.out[i].rows);
  const std::int64_t tiles = std::int64_t{(rows + tile_m - 1) / tile_m} * p.column_tiles;
  return dim3(static_cast<unsigned>(index32(tiles)), static_cast<unsigned>(groups),
              static_cast<unsigned>(std::max(p.classes, 1) * p.splits));
}

template <class Tile, class A, class B, int kClasses, class Output>
void start_ffma(Stream stream, GemmProblem<A, B, kClasses, Output>& p, std::int32_t groups) {
  p.column_tiles = (p.out[0].columns + Tile::kN - 1) / Tile::kN;
  launch<gemm_ffma<Tile, A, B, kClasses, Output>>(gemm_grid(p, groups, Tile::kM),
                                                  dim3(Tile::kThreads), 0, stream, p);
}

template <class A, class B, int kClasses, class Output>
void start_ffma_tile(Stream stream, int tile, GemmProblem<A, B, kClasses, Output>& p,
                     std::int32_t groups) {
  switch (tile) {
    case 0:
      if constexpr (kClasses == 1)
        return start_ffma<FfmaTile<128, 128, 8, 8, 8, 2>>(stream, p, groups);
      [[fallthrough]];
    case 1:
      return start_ffma<FfmaTile<128, 64, 8, 8, 8, 3>>(stream, p, groups);
    case 2:
      return start_ffma<FfmaTile<64, 64, 8, 4, 16, 4>>(stream, p, groups);
    default:
      return start_ffma<FfmaTile<64, 16, 4, 4, 16, 6>>(stream, p, groups);
  }
}

// All shares of k by start(p), then their sum where there are several.
template <class A, class B, class Start>
void run_shares(Stream stream, const GemmPlan& plan, GemmProblem<A, B, 1>& p, std::int32_t groups,
                float* partials, const ColumnPadding& padding, Start&& start) {
  const GemmOutput out = p.out[0];
  p.splits = plan.splits;
  if (plan.splits > 1) {
    p.out[0].data = partials;
    p.out[0].vector = aligned16(partials) && out.columns % 4 == 0;
  }
  start(p);
  if (plan.splits > 1)
    reduce_partials(stream,
                    {partials, plan.splits, out.columns, out.columns, out.rows * out.columns},
                    groups, out, p.out_group, p.bias_group, padding);
}

template <class A, class B>
void run_ffma(Stream stream, const GemmPlan& plan, GemmProblem<A, B, 1>& p, std::int32_t groups,
              float* partials) {
  run_shares(stream, plan, p, groups, partials, {},
             [&](auto& product) { start_ffma_tile(stream, plan.tile, product, groups); });
}

}  // namespace fovea::FOVEA_TARGET
