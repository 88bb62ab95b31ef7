// Convolution and inner product, backward to the weights, single precision.
//
//   dw(k,rs,c) = sum over npq of dy(npq,k) x(npq + rs,c)
//   The sum over pixels is shared out over blocks, as many as the shape asks for; partial sums go
//   to scratch and are added in their order: the same bits in every run.
//   block: a tile of gemm_ffma.cuh; rows = output channels of a group, columns = R S C/G
//   2 N P Q K R S C/G operations; bytes at best 4 (dy + x + dw), 8 splits dw for the partial sums
//   kernels/ops/convolution.h
#include "kernels/cuda/linear_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_ffma_backward_weights(const LinearGeometry& g) {
  const std::int32_t rows[] = {g.outputs};
  return plan_gemm(std::span(kFfmaTiles).first(3), rows, g.taps() * g.cg, g.pixels(), g.groups,
                   128);
}

namespace {

// run(the product whose result goes to dw).
template <int kVectorA, int kVectorB, class Run>
void product(const LinearGeometry& g, const float* dy, const float* x, float* dw, Run&& run) {
  using A = MatrixColumns<float, kVectorA>;
  if (g.plain()) {
    auto p = backward_weights_problem<A, MatrixColumns<float, kVectorB>>(g, dy, x, dw);
    run(p);
  } else {
    auto p = backward_weights_problem<A, WindowColumns<float, kVectorB>>(g, dy, x, dw);
    run(p);
  }
}

template <class Run>
void with_widest_loads(const LinearGeometry& g, const float* dy, const float* x, float* dw,
                       Run&& run) {
  const bool a = g.kg % 4 == 0 && g.y_pitch % 4 == 0 && aligned16(dy);
  const bool b = g.cg % 4 == 0 && g.x_pitch % 4 == 0 && aligned16(x);
  if (a && b) return product<4, 4>(g, dy, x, dw, run);
  a ? product<4, 1>(g, dy, x, dw, run) : product<1, 1>(g, dy, x, dw, run);
}

}  // namespace

void ffma_backward_weights(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                           const float* dy, const float* x, float* dw, float* partials) {
  with_widest_loads(g, dy, x, dw, [&](auto& p) { run_ffma(stream, plan, p, g.groups, partials); });
}

void ffma_backward_weights_shares(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                                  const float* dy, const float* x, float* partials) {
  with_widest_loads(g, dy, x, partials, [&](auto& p) {
    p.splits = plan.splits;
    start_ffma_tile(stream, plan.tile, p, g.groups);
  });
}

}  // namespace fovea::FOVEA_TARGET
