// The passes of a linear layer in single precision on NHWC tensors (linear_problems.cuh).
#pragma once

#include "kernels/cuda/device_op.cuh"
#include "kernels/cuda/gemm_output.cuh"
#include "kernels/cuda/linear_geometry.cuh"

namespace fovea::FOVEA_TARGET {

// The tiles of linear_*.cu, widest first.
inline constexpr std::array<GemmTile, 4> kFfmaTiles = {
    {{128, 128, 8, 110}, {128, 64, 8, 105}, {64, 64, 16, 95}, {64, 16, 16, 60}}};

[[nodiscard]] GemmPlan plan_ffma_forward(const LinearGeometry& g);
[[nodiscard]] GemmPlan plan_ffma_backward_data(const LinearGeometry& g);
[[nodiscard]] GemmPlan plan_ffma_backward_weights(const LinearGeometry& g);

// `out` of `x` and the packed weights; `partials`: partial_count of y.
void ffma_forward(Stream stream, const LinearGeometry& g, const GemmPlan& plan, const float* x,
                  const float* w, const GemmOutput& out, float* partials);
void ffma_backward_data(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                        const float* dy, const float* w, float* dx, std::int32_t dx_pitch,
                        float* partials);
void ffma_backward_weights(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                           const float* dy, const float* x, float* dw, float* partials);
// The shares of k alone, plan.splits matrices, for the caller to add up.
void ffma_backward_weights_shares(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                                  const float* dy, const float* x, float* partials);

}  // namespace fovea::FOVEA_TARGET
