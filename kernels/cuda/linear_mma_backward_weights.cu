// Convolution and inner product backward to the weights on tensor cores; formula, shapes and
// ordered shares of the sum as linear_backward_weights.cu.
//
//   block: a tile of gemm_mma.cuh; bytes at best those of the rounded dy and x, 4 of dw, and 8 of
//   dw for every share
//   Shares also keep sums short: tensor cores cut off what does not fit into their sum.
#include "kernels/cuda/linear_mma_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_mma_backward_weights(const LinearGeometry& g) {
  const std::int32_t rows[] = {g.outputs};
  return plan_gemm(kMmaTiles, rows, g.taps() * g.cg, g.pixels(), g.groups, 128);
}

namespace {

// run(the product whose result goes to dw).
template <class Format, class Run>
void weights_product(const LinearGeometry& g, const typename Format::Element* dy,
                     const typename Format::Element* x, float* dw, Run&& run) {
  using Operands = MmaOperands<Format>;
  using A = typename Operands::Columns;
  if (g.plain()) {
    auto p = backward_weights_problem<A, typename Operands::Columns>(g, dy, x, dw);
    run(p);
  } else {
    auto p = backward_weights_problem<A, typename Operands::WindowsAcross>(g, dy, x, dw);
    run(p);
  }
}

}  // namespace

template <class Format>
void mma_backward_weights_shares(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                                 const typename Format::Element* dy,
                                 const typename Format::Element* x, float* partials) {
  weights_product<Format>(g, dy, x, partials, [&](auto& p) {
    p.splits = plan.splits;
    start_mma_tile<Format>(stream, plan.tile, p, g.groups);
  });
}

template <class Format>
void mma_backward_weights(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                          const typename Format::Element* dy, const typename Format::Element* x,
                          float* dw, float* partials, const ColumnPadding& padding) {
  if (padding.line == padding.own_line)
    return weights_product<Format>(
        g, dy, x, dw, [&](auto& p) { run_mma<Format>(stream, plan, p, g.groups, partials); });
  const std::int32_t columns = g.taps() * g.cg, own = columns / padding.line * padding.own_line;
  mma_backward_weights_shares<Format>(stream, g, plan, dy, x, partials);
  reduce_partials(stream, {partials, plan.splits, columns, columns, g.outputs * columns}, g.groups,
                  dense_output(dw, g.outputs, own, own, 0), g.outputs * own, 0, padding);
}
template void mma_backward_weights<Tf32Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                               const float*, const float*, float*, float*,
                                               const ColumnPadding&);
template void mma_backward_weights<Bf16Format>(Stream, const LinearGeometry&, const GemmPlan&,
                                               const std::uint16_t*, const std::uint16_t*, float*,
                                               float*, const ColumnPadding&);
template void mma_backward_weights_shares<Tf32Format>(Stream, const LinearGeometry&,
                                                      const GemmPlan&, const float*, const float*,
                                                      float*);
template void mma_backward_weights_shares<Bf16Format>(Stream, const LinearGeometry&,
                                                      const GemmPlan&, const std::uint16_t*,
                                                      const std::uint16_t*, float*);

}  // namespace fovea::FOVEA_TARGET
