// What the operations of linear layers on tensor cores share: their scratch, and rounded channels.
#pragma once

#include "kernels/cuda/gemm_mma.cuh"
#include "kernels/cuda/linear_op.cuh"
#include "kernels/cuda/linear_operands.cuh"

namespace fovea::FOVEA_TARGET {

template <class Format>
class LinearMmaBase : public LinearBase {
 public:
  using T = typename Format::Element;
  static constexpr std::int32_t kPiece = 4 * Format::kPerWord;  // elements of 16 bytes

  using LinearBase::LinearBase;
  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }

 protected:
  static std::int32_t whole_pieces(std::int32_t count) {
    return (count + kPiece - 1) / kPiece * kPiece;
  }
  static std::int64_t partial_sums(const GemmPlan& plan, std::int64_t count) {
    return plan.splits > 1 ? plan.splits * count : 0;
  }

  // Scratch: so many values of x, w and dy in operands, then partial sums.
  void place_scratch(std::int64_t x, std::int64_t w, std::int64_t dy, std::int64_t partials) {
    w_at_ = aligned(bytes_of(x));
    dy_at_ = w_at_ + aligned(bytes_of(w));
    partials_at_ = dy_at_ + aligned(bytes_of(dy));
    scratch_bytes_ = partials_at_ + static_cast<std::size_t>(partials) * sizeof(float);
  }
  [[nodiscard]] T* x_operand() const { return at(0); }
  [[nodiscard]] T* w_operand() const { return at(w_at_); }
  [[nodiscard]] T* dy_operand() const { return at(dy_at_); }
  [[nodiscard]] float* partials() const {
    return reinterpret_cast<float*>(binding_.scratch + partials_at_);
  }

  // Channels of every group padded to `to_channels`.
  void round_channels(std::int32_t pixels, std::int32_t channels, std::int32_t pitch,
                      std::int32_t to_channels, const float* from, T* to) const {
    const std::int32_t groups = geometry_.groups;
    round_operand(stream_, {pixels, groups, channels, pitch, groups, to_channels}, from, to);
  }

 private:
  static std::size_t bytes_of(std::int64_t count) {
    return static_cast<std::size_t>(index32(count)) * sizeof(T);
  }
  static std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
  [[nodiscard]] T* at(std::size_t byte) const {
    return reinterpret_cast<T*>(binding_.scratch + byte);
  }

  std::size_t w_at_ = 0, dy_at_ = 0, partials_at_ = 0, scratch_bytes_ = 0;
};

}  // namespace fovea::FOVEA_TARGET
