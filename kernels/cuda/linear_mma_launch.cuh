// Starting implicit matrix products on tensor cores.
#pragma once

#include "kernels/cuda/gemm_mma.cuh"
#include "kernels/cuda/linear_launch.cuh"
#include "kernels/cuda/linear_mma.cuh"

namespace fovea::FOVEA_TARGET {

template <class Format, int kPerPiece = 4 * Format::kPerWord>
struct MmaOperands {
  using T = typename Format::Element;
  using Rows = MatrixRows<T, kPerPiece>;
  using Columns = MatrixColumns<T, kPerPiece>;
  using Windows = WindowRows<T, kPerPiece>;
  using WindowsAcross = WindowColumns<T, kPerPiece>;
  using Filters = FilterColumns<T, kPerPiece>;
};

template <class Tile, class A, class B, int kClasses, class Output>
void start_mma(Stream stream, GemmProblem<A, B, kClasses, Output>& p, std::int32_t groups) {
  p.column_tiles = (p.out[0].columns + Tile::kN - 1) / Tile::kN;
  launch<gemm_mma<Tile, A, B, kClasses, Output>>(gemm_grid(p, groups, Tile::kM),
                                                 dim3(Tile::kThreads),
                                                 MmaLoop<Tile, A, B>::kSharedBytes, stream, p);
}

template <class Format, class A, class B, int kClasses, class Output>
void start_mma_tile(Stream stream, int tile, GemmProblem<A, B, kClasses, Output>& p,
                    std::int32_t groups) {
  switch (tile) {
    case 0: {
      // Across k on both sides the stages of tf32 take 102 KiB, which not every GPU has. Sums do not
      // depend on the tile.
      using Widest = MmaTile<Format, 128, 128, 64, 64, 3, 2>;
      if (MmaLoop<Widest, A, B>::kSharedBytes <= most_shared(stream))
        return start_mma<Widest>(stream, p, groups);
      [[fallthrough]];
    }
    case 1:
      return start_mma<MmaTile<Format, 128, 64, 64, 32, 3, 2>>(stream, p, groups);
    default:
      return start_mma<MmaTile<Format, 64, 64, 32, 32, 4, 3>>(stream, p, groups);
  }
}

template <class Format, class A, class B>
void run_mma(Stream stream, const GemmPlan& plan, GemmProblem<A, B, 1>& p, std::int32_t groups,
             float* partials, const ColumnPadding& padding = {}) {
  run_shares(stream, plan, p, groups, partials, padding,
             [&](auto& product) { start_mma_tile<Format>(stream, plan.tile, product, groups); });
}

}  // namespace fovea::FOVEA_TARGET
