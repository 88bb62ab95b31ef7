// What backward does to dy before the products: mask it by a fused ReLU, sum it to the bias
// gradient, store it as the products want it.
//
//   dy (rows, pitch) float, y alike   rows = N P Q, K channels in groups
//   z = dy (y > 0 ? 1 : slope);  db_k = sum over rows of z
//   bytes per value: 4 read, 4 more with a ReLU, and what is written
#pragma once

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {

struct GradientRows {
  const float* dy;
  std::int32_t rows, channels, pitch;
  const float* y;  // null: no ReLU
  std::int32_t y_pitch;
  float slope;
};

// Floats of scratch that sum_gradient needs.
[[nodiscard]] std::int64_t gradient_partials(std::int32_t rows, std::int32_t channels);

// masked (null: not wanted; may be dy) has dy's pitch; db null: not wanted. db is the sum over
// fixed blocks of rows, in their order.
void mask_and_sum_gradient(Stream stream, const GradientRows& in, float* masked, float* db,
                           float* partials);

}  // namespace fovea::FOVEA_TARGET
