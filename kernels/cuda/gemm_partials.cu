// Sums of partial products in the order of their shares of k; gemm_partials.cuh.
#include "kernels/cuda/gemm_partials.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

__global__ void add_partials(const PartialSums sums, Divisor columns, Divisor line, Divisor pixel,
                             const ColumnPadding padding, const GemmOutput out, int out_group,
                             int bias_group) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(blockIdx.y), groups = static_cast<int>(gridDim.y);
  if (at >= out.rows * sums.columns) return;
  const Quotient where = columns.divide(at);
  int column = where.remainder;
  if (padding.line != padding.own_line) {
    const Quotient in_line = line.divide(column), in_pixel = pixel.divide(in_line.remainder);
    const int own = in_pixel.quotient * padding.channels + in_pixel.remainder;
    if (in_pixel.remainder >= padding.channels || own >= padding.own_line) return;
    column = in_line.quotient * padding.own_line + own;
  }
  const float* from = sums.data + where.quotient * sums.pitch + where.remainder;
  float sum = 0;
  for (int split = 0; split < sums.splits; ++split)
    sum += from[(static_cast<std::int64_t>(split) * groups + group) * sums.matrix];
  out.data[group * out_group + out.place(where.quotient) + column] =
      out.finish(sum, group * bias_group + column);
}

}  // namespace

void reduce_partials(Stream stream, const PartialSums& sums, std::int32_t groups,
                     const GemmOutput& out, std::int32_t out_group, std::int32_t bias_group,
                     const ColumnPadding& padding) {
  dim3 grid = blocks_for(std::int64_t{out.rows} * sums.columns, kThreads);
  grid.y = static_cast<unsigned>(groups);
  launch<add_partials>(grid, dim3(kThreads), 0, stream, sums, Divisor(sums.columns),
                       Divisor(padding.line), Divisor(padding.pixel), padding, out, out_group,
                       bias_group);
}

}  // namespace fovea::FOVEA_TARGET
