// The passes of a linear layer on tensor cores, over operands that linear_operands.cuh made: in
// memory channels are padded (LinearGeometry::cg, kg) to pieces of 16 bytes. Format: gemm_mma.cuh.
#pragma once

#include "kernels/cuda/gemm_partials.cuh"
#include "kernels/cuda/linear_geometry.cuh"

namespace fovea::FOVEA_TARGET {

// Widest first; rates are estimates for tf32 (bf16: twice that), of which only the ratios count.
inline constexpr std::array<GemmTile, 3> kMmaTiles = {
    {{128, 128, 32, 600}, {128, 64, 32, 480}, {64, 64, 32, 330}}};

[[nodiscard]] GemmPlan plan_mma_forward(const LinearGeometry& g);
[[nodiscard]] GemmPlan plan_mma_backward_data(const LinearGeometry& g);
[[nodiscard]] GemmPlan plan_mma_backward_weights(const LinearGeometry& g);

template <class Format>
void mma_forward(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                 const typename Format::Element* x, const typename Format::Element* w,
                 const GemmOutput& out, float* partials);
template <class Format>
void mma_backward_data(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                       const typename Format::Element* dy, const typename Format::Element* w,
                       float* dx, std::int32_t dx_pitch, float* partials);
// `padding`: what of the columns (tap, channel in memory) dw does not have. Where there is some,
// through partial sums even of one share.
template <class Format>
void mma_backward_weights(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                          const typename Format::Element* dy, const typename Format::Element* x,
                          float* dw, float* partials, const ColumnPadding& padding);
// The shares of k alone, plan.splits matrices of all that lies in memory, for the caller to add up.
template <class Format>
void mma_backward_weights_shares(Stream stream, const LinearGeometry& g, const GemmPlan& plan,
                                 const typename Format::Element* dy,
                                 const typename Format::Element* x, float* partials);

}  // namespace fovea::FOVEA_TARGET
