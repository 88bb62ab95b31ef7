// Division of 31-bit indices by a divisor that the host knows: a multiplication and a shift instead
// of some twenty instructions (Granlund and Montgomery 1994, "Division by invariant integers using
// multiplication").
#pragma once

#include <cstdint>

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

struct Quotient {
  std::int32_t quotient, remainder;
};

class Divisor {
 public:
  Divisor() = default;
  // 1 <= divisor < 2^31
  explicit Divisor(std::int64_t divisor) : divisor_(static_cast<std::uint32_t>(divisor)) {
    while ((std::uint64_t{1} << shift_) < divisor_) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - divisor_;
    magic_ = static_cast<std::uint32_t>((excess << 32) / divisor_ + 1);
  }

  // 0 <= value < 2^31
  [[nodiscard]] __device__ __forceinline__ Quotient divide(std::int32_t value) const {
    const auto v = static_cast<std::uint32_t>(value);
    const std::uint32_t q = (__umulhi(v, magic_) + v) >> shift_;
    return {static_cast<std::int32_t>(q), static_cast<std::int32_t>(v - q * divisor_)};
  }
  [[nodiscard]] __device__ __forceinline__ std::int32_t value() const {
    return static_cast<std::int32_t>(divisor_);
  }

 private:
  std::uint32_t divisor_ = 1, magic_ = 1, shift_ = 0;
};

}  // namespace fovea::FOVEA_TARGET
