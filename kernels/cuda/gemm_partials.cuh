// Sums of partial products in the order of their shares of k.
//
//   sums (splits, groups, rows, columns), which may be a part of a wider one
//   out: see gemm_output.cuh
//   thread: one element; 256 to a block, y = group
//   bytes per element: 4 splits + 4
#pragma once

#include "kernels/cuda/device_op.cuh"
#include "kernels/cuda/gemm_output.cuh"

namespace fovea::FOVEA_TARGET {

// What is padded in the columns of `partial`, and left out: they are lines of `line` columns, each
// of pixels of `pixel` columns, of which the first `channels` count until a line has `own_line`.
// line == own_line: columns are taken as they are.
struct ColumnPadding {
  std::int32_t line = 1, own_line = 1, pixel = 1, channels = 1;
};

struct PartialSums {
  const float* data;
  std::int32_t splits, columns;
  std::int32_t pitch;   // from row to row
  std::int32_t matrix;  // from group to group, of which shares have `groups`
};

void reduce_partials(Stream stream, const PartialSums& sums, std::int32_t groups,
                     const GemmOutput& out, std::int32_t out_group, std::int32_t bias_group,
                     const ColumnPadding& padding = {});

}  // namespace fovea::FOVEA_TARGET
