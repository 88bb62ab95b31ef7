// What the operations of linear layers on tensor cores share: their scratch, and rounded channels.
#pragma once

#include "kernels/cuda/gemm_mma.cuh"
#include "kernels/cuda/linear_op.cuh"
#include "kernels/cuda/linear_operands.cuh"
#include "kernels/cuda/operand_scratch.cuh"

namespace fovea::FOVEA_TARGET {

template <class Format>
class LinearMmaBase : public LinearBase {
 public:
  using T = typename Format::Element;
  static constexpr std::int32_t kPiece = 4 * Format::kPerWord;  // elements of 16 bytes

  using LinearBase::LinearBase;
  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_.bytes(); }
  void bind(const OpBinding& binding) override {
    LinearBase::bind(binding);
    scratch_.bind(binding.scratch);
  }

 protected:
  // Channels of every group padded to `to_channels`.
  void round_channels(std::int32_t pixels, std::int32_t channels, std::int32_t pitch,
                      std::int32_t to_channels, const float* from, T* to) const {
    const std::int32_t groups = geometry_.groups;
    round_operand(stream_, {pixels, groups, channels, pitch, groups, to_channels}, from, to);
  }

  OperandScratch<T> scratch_;
};

}  // namespace fovea::FOVEA_TARGET
