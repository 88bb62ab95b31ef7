// Geometry and plans of linear layers.
#include "kernels/cuda/linear_geometry.cuh"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace fovea::FOVEA_TARGET {
namespace {

std::int32_t narrow(std::int64_t value) {
  require(value >= 0 && value <= std::numeric_limits<std::int32_t>::max(), "a tensor of ", value,
          " values, expected fewer than 2^31");
  return static_cast<std::int32_t>(value);
}

std::int32_t ceil_divide(std::int64_t a, std::int64_t b) { return narrow((a + b - 1) / b); }

thread_local std::optional<GemmPlan> forced_plan;

}  // namespace

PlanOverride::PlanOverride(int tile, std::int32_t splits) { forced_plan = {tile, splits}; }
PlanOverride::~PlanOverride() { forced_plan.reset(); }

LinearGeometry linear_geometry(const OpProblem& problem) {
  const Shape &x = problem.bottoms[0], &y = problem.tops[0];
  narrow(x.count()), narrow(y.count());
  LinearGeometry g;
  g.n = narrow(x.n());
  if (const auto* p = std::get_if<ConvolutionParams>(&problem.params)) {
    g.h = narrow(x.h()), g.w = narrow(x.w()), g.p = narrow(y.h()), g.q = narrow(y.w());
    g.r = narrow(p->kernel[0]), g.s = narrow(p->kernel[1]);
    g.stride = {narrow(p->stride[0]), narrow(p->stride[1])};
    g.pad = {narrow(p->pad[0]), narrow(p->pad[1])};
    g.groups = narrow(p->groups);
    g.channels = narrow(x.c()) / g.groups, g.outputs = narrow(p->outputs) / g.groups;
  } else {
    g.channels = narrow(x.count_from(1));
    g.outputs = narrow(std::get<InnerProductParams>(problem.params).outputs);
  }
  g.cg = g.channels, g.kg = g.outputs;
  g.x_pitch = g.groups * g.cg, g.y_pitch = g.groups * g.kg;
  narrow(g.filter_count());
  return g;
}

std::vector<PixelClass> pixel_classes(const LinearGeometry& g) {
  const std::int32_t extent[2] = {g.h, g.w}, kernel[2] = {g.r, g.s};
  std::vector<PixelClass> classes;
  for (std::int32_t a = 0; a < g.stride[0]; ++a) {
    for (std::int32_t b = 0; b < g.stride[1]; ++b) {
      PixelClass c;
      c.first_tap = {a, b};
      for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::int32_t s = g.stride[axis], tap = c.first_tap[axis];
        c.first[axis] = ((tap - g.pad[axis]) % s + s) % s;
        c.count[axis] = std::max(0, (extent[axis] - c.first[axis] + s - 1) / s);
        c.taps[axis] = std::max(0, (kernel[axis] - tap + s - 1) / s);
        c.origin[axis] = (c.first[axis] + g.pad[axis] - tap) / s;
      }
      if (c.count[0] * c.count[1] > 0) classes.push_back(c);
    }
  }
  return classes;
}

GemmPlan plan_gemm(std::span<const GemmTile> tiles, std::span<const std::int32_t> rows,
                   std::int32_t columns, std::int32_t depth, std::int32_t groups,
                   std::int32_t most_splits) {
  constexpr double kProcessors = 132;
  constexpr double kBytesPerClock = 1700;  // 3 TB/s at 1.75 GHz
  constexpr double kSecondKernel = 4000;   // clocks to start the kernel that adds partial sums
  constexpr double kStart = 600;           // clocks until a block's first product
  constexpr std::int32_t kSplits[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
  constexpr std::int32_t kLeastBlocksOfK = 8;
  if (forced_plan) {
    return {std::min(forced_plan->tile, static_cast<int>(tiles.size()) - 1),
            std::min(forced_plan->splits, most_splits)};
  }
  GemmPlan best;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const GemmTile& tile = tiles[i];
    std::int64_t row_tiles = 0, all_rows = 0;
    for (const std::int32_t m : rows) row_tiles += ceil_divide(m, tile.m), all_rows += m;
    const std::int32_t blocks_of_k = ceil_divide(std::max(depth, 1), tile.depth);
    for (const std::int32_t splits : kSplits) {
      if (splits > most_splits || (splits > 1 && blocks_of_k / splits < kLeastBlocksOfK)) break;
      const double blocks =
          static_cast<double>(row_tiles) * ceil_divide(columns, tile.n) * groups * splits;
      const double each = kStart + static_cast<double>(tile.m) * tile.n * tile.depth *
                                       ceil_divide(blocks_of_k, splits) / tile.rate;
      double time = std::ceil(blocks / kProcessors) * each;
      if (splits > 1)
        time += kSecondKernel + (splits * 8.0 + 4.0) * static_cast<double>(all_rows) * columns *
                                    groups / kBytesPerClock;
      if (time < least) least = time, best = {static_cast<int>(i), splits};
    }
  }
  return best;
}

}  // namespace fovea::FOVEA_TARGET
