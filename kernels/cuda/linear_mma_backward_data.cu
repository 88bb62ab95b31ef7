// Convolution and inner product backward to the data on tensor cores; formula, shapes and classes
// of pixels as linear_backward_data.cu.
//
//   block: a tile of gemm_mma.cuh; bytes at best those of the rounded dy and w, and 4 of dx
#include "kernels/cuda/linear_mma_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_mma_backward_data(const LinearGeometry& g) {
  std::vector<std::int32_t> rows;
  std::int32_t taps = 0;
  for (const PixelClass& c : pixel_classes(g)) {
    rows.push_back(g.n * c.count[0] * c.count[1]);
    taps = std::max(taps, c.taps[0] * c.taps[1]);
  }
  return plan_gemm(kMmaTiles, rows, g.channels, taps * g.kg, g.groups, rows.size() == 1 ? 16 : 1);
}

template <class Format>
void mma_backward_data(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                       const typename Format::Element* dy, const typename Format::Element* w,
                       float* dx, std::int32_t dx_pitch, float* partials) {
  using Operands = MmaOperands<Format>;
  using A = typename Operands::Windows;
  using B = typename Operands::Filters;
  const std::vector<PixelClass> classes = pixel_classes(g);
  if (g.plain()) {
    auto p = backward_data_problem<typename Operands::Rows, typename Operands::Columns, 1>(
        g, classes, dy, w, dx, dx_pitch);
    return run_mma<Format>(stream, plan, p, g.groups, partials);
  }
  if (classes.size() == 1) {
    auto p = backward_data_problem<A, B, 1>(g, classes, dy, w, dx, dx_pitch);
    return run_mma<Format>(stream, plan, p, g.groups, partials);
  }
  for (std::size_t i = 0; i < classes.size(); i += kMostClasses) {
    const std::span some = std::span(classes).subspan(i);
    auto p = backward_data_problem<A, B, kMostClasses>(
        g, some.first(std::min<std::size_t>(some.size(), kMostClasses)), dy, w, dx, dx_pitch);
    p.splits = 1;
    start_mma_tile<Format>(stream, plan.tile, p, g.groups);
  }
}
template void mma_backward_data<Tf32Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                            const float*, const float*, float*, std::int32_t,
                                            float*);
template void mma_backward_data<Bf16Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                            const std::uint16_t*, const std::uint16_t*, float*,
                                            std::int32_t, float*);

}  // namespace fovea::FOVEA_TARGET
