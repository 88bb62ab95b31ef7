// Convolution and inner product forward on tensor cores; formula and shapes as linear_forward.cu.
//
//   block: a tile of gemm_mma.cuh; bytes at best those of the rounded x and w, and 4 of y
#include "kernels/cuda/linear_mma_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_mma_forward(const LinearGeometry& g) {
  const std::int32_t rows[] = {g.pixels()};
  return plan_gemm(kMmaTiles, rows, g.outputs, g.taps() * g.cg, g.groups, 16);
}

template <class Format>
void mma_forward(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                 const typename Format::Element* x, const typename Format::Element* w,
                 const GemmOutput& out, float* partials) {
  using Operands = MmaOperands<Format>;
  if (g.plain()) {
    auto p = forward_problem<typename Operands::Rows, typename Operands::Rows>(g, x, w, out);
    run_mma<Format>(stream, plan, p, g.groups, partials);
  } else {
    auto p = forward_problem<typename Operands::Windows, typename Operands::Rows>(g, x, w, out);
    run_mma<Format>(stream, plan, p, g.groups, partials);
  }
}
template void mma_forward<Tf32Format>(Stream, const LinearGeometry&, const GemmPlan&, const float*,
                                      const float*, const GemmOutput&, float*);
template void mma_forward<Bf16Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                      const std::uint16_t*, const std::uint16_t*, const GemmOutput&,
                                      float*);

}  // namespace fovea::FOVEA_TARGET
