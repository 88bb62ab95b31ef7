// Sums of partial products in the order of their shares of k.
//
//   partial (splits, groups, rows, columns)   out: see gemm_output.cuh
//   thread: one element; 256 to a block, y = group
//   bytes per element: 4 splits + 4
#pragma once

#include "kernels/cuda/device_op.cuh"
#include "kernels/cuda/gemm_output.cuh"

namespace fovea::FOVEA_TARGET {

// Columns of `partial` that are (tap, channel) with channels padded in memory: the padding is left
// out. padded == channels: columns are taken as they are.
struct ColumnPadding {
  std::int32_t padded = 1, channels = 1;
};

void reduce_partials(Stream stream, const float* partial, std::int32_t partial_columns,
                     std::int32_t splits, std::int32_t groups, const GemmOutput& out,
                     std::int32_t out_group, std::int32_t bias_group,
                     const ColumnPadding& padding = {});

}  // namespace fovea::FOVEA_TARGET
