// Convolution and inner product, backward to the data, single precision.
//
//   dx(nhw,c) = sum over (rs,k) of w(k,rs,c) dy(pixel that tap rs of nhw belongs to,k)
//   Strided: pixels of one class of residues see the same taps, so that no product is with zero;
//   all classes of a layer in one launch (z of the grid).
//   block: a tile of gemm_ffma.cuh; rows = pixels of a class, columns = channels of a group
//   2 N P Q K R S C/G operations; bytes at best 4 (dy + w + dx)
//   kernels/ops/convolution.h
#include "kernels/cuda/linear_launch.cuh"

namespace fovea::FOVEA_TARGET {

GemmPlan plan_ffma_backward_data(const LinearGeometry& g) {
  const auto [rows, depth] = backward_data_extent(g);
  if (rows.size() == 1) return plan_gemm(kFfmaTiles, rows, g.channels, depth, g.groups, 16);
  // The table of classes costs registers that the widest tile does not have.
  GemmPlan plan = plan_gemm(std::span(kFfmaTiles).subspan(1), rows, g.channels, depth, g.groups, 1);
  ++plan.tile;
  return plan;
}

namespace {

template <int kVectorA, int kVectorB>
void backward(Stream stream, const LinearGeometry& g, const GemmPlan& plan, const float* dy,
              const float* w, float* dx, std::int32_t dx_pitch, float* partials) {
  backward_data_products<MatrixRows<float, kVectorA>, MatrixColumns<float, kVectorB>,
                         WindowRows<float, kVectorA>, FilterColumns<float, kVectorB>>(
      g, dy, w, dx, dx_pitch, [&](auto& p) { run_ffma(stream, plan, p, g.groups, partials); },
      [&](auto& p) { start_ffma_tile(stream, plan.tile, p, g.groups); });
}

}  // namespace

void ffma_backward_data(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                        const float* dy, const float* w, float* dx, std::int32_t dx_pitch,
                        float* partials) {
  const bool a = g.kg % 4 == 0 && g.y_pitch % 4 == 0 && aligned16(dy);
  const bool b = g.cg % 4 == 0 && aligned16(w);
  (a && b ? backward<4, 4>
   : a    ? backward<4, 1>
          : backward<1, 1>)(stream, g, plan, dy, w, dx, dx_pitch, partials);
}

}  // namespace fovea::FOVEA_TARGET
