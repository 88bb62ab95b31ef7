// Where copies of operands and partial sums lie in an operation's scratch.
#pragma once

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {

template <class T>
class OperandScratch {
 public:
  // So many values of x, w and dy in operands, then so many partial sums.
  void place(std::int64_t x, std::int64_t w, std::int64_t dy, std::int64_t partials) {
    w_at_ = aligned(bytes_of(x));
    dy_at_ = w_at_ + aligned(bytes_of(w));
    partials_at_ = dy_at_ + aligned(bytes_of(dy));
    bytes_ = partials_at_ + static_cast<std::size_t>(partials) * sizeof(float);
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  void bind(std::byte* scratch) { scratch_ = scratch; }
  [[nodiscard]] T* x() const { return reinterpret_cast<T*>(scratch_); }
  [[nodiscard]] T* w() const { return reinterpret_cast<T*>(scratch_ + w_at_); }
  [[nodiscard]] T* dy() const { return reinterpret_cast<T*>(scratch_ + dy_at_); }
  [[nodiscard]] float* partials() const {
    return reinterpret_cast<float*>(scratch_ + partials_at_);
  }

 private:
  static std::size_t bytes_of(std::int64_t count) {
    return static_cast<std::size_t>(index32(count)) * sizeof(T);
  }
  static std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

  std::byte* scratch_ = nullptr;
  std::size_t w_at_ = 0, dy_at_ = 0, partials_at_ = 0, bytes_ = 0;
};

}  // namespace fovea::FOVEA_TARGET
