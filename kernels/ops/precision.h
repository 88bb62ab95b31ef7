// In what the operands of convolutions and inner products are multiplied. Sums, parameters, their
// gradients and everything else are single precision in all three.
#pragma once

#include <cstdint>

#include "engine/core/fields.h"

namespace fovea {

enum class Precision : std::uint8_t {
  kFp32,
  kTf32,  // 10 explicit bits of mantissa
  kBf16   // 7, rounded to nearest, ties to even
};
template <>
inline constexpr EnumTable<Precision, 3> enum_names<Precision>{
    {{"fp32", Precision::kFp32}, {"tf32", Precision::kTf32}, {"bf16", Precision::kBf16}}};

}  // namespace fovea
