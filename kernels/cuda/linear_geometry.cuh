// Convolution and inner product as one geometry, and which tile and split of k each of their
// products takes. Host code.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/cuda/device/target.cuh"
#include "kernels/ops/op.h"

namespace fovea::FOVEA_TARGET {

// Letters as in kernels/ops/convolution.h; an inner product is a 1x1 convolution of one pixel with
// all values of an image as its channels. Channels are per group; `cg`, `kg` are what lies in
// memory, where operands are padded.
struct LinearGeometry {
  std::int32_t n = 1, h = 1, w = 1, p = 1, q = 1, r = 1, s = 1;
  std::array<std::int32_t, 2> stride{1, 1}, pad{0, 0};
  std::int32_t groups = 1, channels = 1, outputs = 1;
  std::int32_t cg = 1, kg = 1;
  std::int32_t x_pitch = 1, y_pitch = 1;  // elements from pixel to pixel

  [[nodiscard]] std::int32_t pixels() const { return n * p * q; }
  [[nodiscard]] std::int32_t taps() const { return r * s; }
  [[nodiscard]] std::int64_t filter_count() const {
    return std::int64_t{groups} * kg * taps() * cg;
  }
  // Rows are pixels on both sides: a plain matrix product.
  [[nodiscard]] bool plain() const {
    return r == 1 && s == 1 && stride == std::array{1, 1} && pad == std::array{0, 0};
  }
};

// Error where an index would not fit into 31 bits.
[[nodiscard]] LinearGeometry linear_geometry(const OpProblem& problem);

// Pixels (i, j) of a class, h = first + i stride, are those that see the same taps of a strided
// convolution backward to the data: taps first_tap + t stride, at output pixel origin + i - t.
struct PixelClass {
  std::array<std::int32_t, 2> first{}, count{}, first_tap{}, taps{}, origin{};
};
// The classes that have pixels, at most stride[0] * stride[1].
[[nodiscard]] std::vector<PixelClass> pixel_classes(const LinearGeometry& g);

// A tile that kernels are compiled for.
struct GemmTile {
  std::int32_t m, n, depth;
  double rate;  // multiply-adds per clock of a multiprocessor that such blocks fill
};

// Tile and shares of k of a product.
struct GemmPlan {
  int tile = 0;
  std::int32_t splits = 1;
};

// Floats that hold the partial sums of a plan for `count` results; 0 without splits.
[[nodiscard]] inline std::int64_t partial_count(const GemmPlan& plan, std::int64_t count) {
  return plan.splits > 1 ? plan.splits * count : 0;
}

// `count` rounded up to whole pieces.
[[nodiscard]] inline std::int32_t whole_pieces(std::int32_t count, std::int32_t piece) {
  return (count + piece - 1) / piece * piece;
}

// The plan of least estimated time on 132 multiprocessors, a function of the shape alone: sums, and
// therefore results, do not depend on where they are computed. `rows` per class.
[[nodiscard]] GemmPlan plan_gemm(std::span<const GemmTile> tiles,
                                 std::span<const std::int32_t> rows, std::int32_t columns,
                                 std::int32_t depth, std::int32_t groups, std::int32_t most_splits);

// While it lives, plans on this thread take one tile and at most these splits: tests reach every
// kernel on small shapes.
class PlanOverride {
 public:
  PlanOverride(int tile, std::int32_t splits);
  ~PlanOverride();
  PlanOverride(const PlanOverride&) = delete;
  PlanOverride& operator=(const PlanOverride&) = delete;
};

}  // namespace fovea::FOVEA_TARGET
