// Weights between Caffe's order (outputs, channels, taps) and that of kernels on channels-last
// images, (outputs, taps, channels).
#pragma once

#include <cstdint>

#include "engine/core/shape.h"
#include "kernels/ops/op.h"

namespace fovea {

struct FilterOrder {
  std::int64_t outputs = 0, channels = 0, taps = 0;

  [[nodiscard]] std::int64_t count() const { return outputs * channels * taps; }
  void pack(const float* plain, float* packed) const { transpose(plain, packed, channels, taps); }
  void unpack(const float* packed, float* plain) const { transpose(packed, plain, taps, channels); }

 private:
  // (outputs, rows, columns) -> (outputs, columns, rows)
  void transpose(const float* from, float* to, std::int64_t rows, std::int64_t columns) const {
    for (std::int64_t k = 0; k < outputs; ++k, from += rows * columns, to += rows * columns) {
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < columns; ++column)
          to[column * rows + row] = from[row * columns + column];
      }
    }
  }
};

// Of a convolution, or of an inner product, which reads a channels-last image as it lies.
[[nodiscard]] inline FilterOrder filter_order(const OpProblem& problem) {
  const Shape& x = problem.bottoms[0];
  if (const auto* p = std::get_if<ConvolutionParams>(&problem.params))
    return {p->outputs, x.c() / p->groups, p->kernel[0] * p->kernel[1]};
  return {std::get<InnerProductParams>(problem.params).outputs, x.c(), x.h() * x.w()};
}

[[nodiscard]] inline bool has_bias(const OpProblem& problem) {
  return std::visit(
      [](const auto& p) {
        if constexpr (requires { p.bias; }) {
          return p.bias;
        } else {
          return false;
        }
      },
      problem.params);
}

}  // namespace fovea
