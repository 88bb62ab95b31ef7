// Convolution and inner product backward to the data on tensor cores; formula, shapes and classes
// of pixels as linear_backward_data.cu.
//
//   block: a tile of gemm_mma.cuh; bytes at best those of the rounded dy and w, and 4 of dx
#include "kernels/cuda/linear_mma_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_mma_backward_data(const LinearGeometry& g) {
  const auto [rows, depth] = backward_data_extent(g);
  return plan_gemm(kMmaTiles, rows, g.channels, depth, g.groups, rows.size() == 1 ? 16 : 1);
}

template <class Format>
void mma_backward_data(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                       const typename Format::Element* dy, const typename Format::Element* w,
                       float* dx, std::int32_t dx_pitch, float* partials) {
  using Operands = MmaOperands<Format>;
  backward_data_products<typename Operands::Rows, typename Operands::Columns,
                         typename Operands::Windows, typename Operands::Filters>(
      g, dy, w, dx, dx_pitch,
      [&](auto& p) { run_mma<Format>(stream, plan, p, g.groups, partials); },
      [&](auto& p) { start_mma_tile<Format>(stream, plan.tile, p, g.groups); });
}
template void mma_backward_data<Tf32Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                            const float*, const float*, float*, std::int32_t,
                                            float*);
template void mma_backward_data<Bf16Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                            const std::uint16_t*, const std::uint16_t*, float*,
                                            std::int32_t, float*);

}  // namespace fovea::FOVEA_TARGET
