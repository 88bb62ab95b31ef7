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
  std::vector<std::int32_t> rows;
  std::int32_t taps = 0;
  for (const PixelClass& c : pixel_classes(g)) {
    rows.push_back(g.n * c.count[0] * c.count[1]);
    taps = std::max(taps, c.taps[0] * c.taps[1]);
  }
  const std::int32_t depth = taps * g.kg;
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
  const std::vector<PixelClass> classes = pixel_classes(g);
  if (g.plain()) {
    auto p = backward_data_problem<MatrixRows<float, kVectorA>, MatrixColumns<float, kVectorB>, 1>(
        g, classes, dy, w, dx, dx_pitch);
    return run_ffma(stream, plan, p, g.groups, partials);
  }
  using A = WindowRows<float, kVectorA>;
  using B = FilterColumns<float, kVectorB>;
  if (classes.size() == 1) {
    auto p = backward_data_problem<A, B, 1>(g, classes, dy, w, dx, dx_pitch);
    return run_ffma(stream, plan, p, g.groups, partials);
  }
  for (std::size_t i = 0; i < classes.size(); i += kMostClasses) {
    const std::span some = std::span(classes).subspan(i);
    auto p = backward_data_problem<A, B, kMostClasses>(
        g, some.first(std::min<std::size_t>(some.size(), kMostClasses)), dy, w, dx, dx_pitch);
    p.splits = 1;
    start_ffma_tile(stream, plan.tile, p, g.groups);
  }
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
