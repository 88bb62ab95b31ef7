// Convolution and inner product, forward, single precision.
//
//   y(npq,k) = relu(b(k) + sum over (rs,c) of w(k,rs,c) x(npq + rs,c)); x, y NHWC, w K R S C/G
//   block: a tile of gemm_ffma.cuh; rows = N P Q pixels, columns = output channels of a group
//   2 N P Q K R S C/G operations; bytes at best 4 (x + w + y), x R S times from L2
//   kernels/ops/convolution.h
#include "kernels/cuda/linear_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_ffma_forward(const LinearGeometry& g) {
  const std::int32_t rows[] = {g.pixels()};
  return plan_gemm(kFfmaTiles, rows, g.outputs, g.taps() * g.cg, g.groups, 16);
}

namespace {

template <int kVector>
void forward(Stream stream, const LinearGeometry& g, const GemmPlan& plan, const float* x,
             const float* w, const GemmOutput& out, float* partials) {
  using Weights = MatrixRows<float, kVector>;
  if (g.plain()) {
    auto p = forward_problem<MatrixRows<float, kVector>, Weights>(g, x, w, out);
    run_ffma(stream, plan, p, g.groups, partials);
  } else {
    auto p = forward_problem<WindowRows<float, kVector>, Weights>(g, x, w, out);
    run_ffma(stream, plan, p, g.groups, partials);
  }
}

}  // namespace

void ffma_forward(Stream stream, const LinearGeometry& g, const GemmPlan& plan, const float* x,
                  const float* w, const GemmOutput& out, float* partials) {
  const bool vector = g.cg % 4 == 0 && g.x_pitch % 4 == 0 && aligned16(x) && aligned16(w);
  (vector ? forward<4> : forward<1>)(stream, g, plan, x, w, out, partials);
}

}  // namespace fovea::FOVEA_TARGET
