// CUDA's built-in vector and 16-bit floating-point types as plain structs with the same sizes and
// alignments.
#pragma once

#include <bit>
#include <cstdint>

namespace fovea::emulated {

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned columns = 1, unsigned rows = 1, unsigned layers = 1)  // NOLINT: as CUDA's
      : x(columns), y(rows), z(layers) {}
};
struct uint3 {
  unsigned x, y, z;
};

template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T x, y;
};
template <class T>
struct alignas(4 * sizeof(T)) Quadruple {
  T x, y, z, w;
};
using float2 = Pair<float>;
using float4 = Quadruple<float>;
using int2 = Pair<std::int32_t>;
using int4 = Quadruple<std::int32_t>;
using uint2 = Pair<std::uint32_t>;
using uint4 = Quadruple<std::uint32_t>;
using uchar4 = Quadruple<std::uint8_t>;

constexpr float2 make_float2(float x, float y) { return {x, y}; }
constexpr float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
constexpr int2 make_int2(int x, int y) { return {x, y}; }
constexpr int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
constexpr uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
constexpr uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// Upper half of a float32. Conversion rounds to nearest, ties to even; NaN stays NaN.
struct __nv_bfloat16 {  // NOLINT: CUDA's name
  std::uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {  // NOLINT: CUDA's name
  __nv_bfloat16 x, y;
};
constexpr float __bfloat162float(__nv_bfloat16 value) {  // NOLINT
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}
constexpr __nv_bfloat16 __float2bfloat16(float value) {  // NOLINT
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return {0x7FFF};
  return {static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}
constexpr __nv_bfloat162 __floats2bfloat162_rn(float low, float high) {  // NOLINT
  return {__float2bfloat16(low), __float2bfloat16(high)};
}

// IEEE binary16.
struct __half {  // NOLINT: CUDA's name
  std::uint16_t bits;
};
constexpr float __half2float(__half value) {  // NOLINT
  const std::uint32_t sign = (value.bits & 0x8000U) << 16, rest = value.bits & 0x7FFFU;
  if (rest >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | (rest & 0x3FF) << 13);
  // Moving the exponent by 2^112 makes subnormals come out right as well.
  const float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}
constexpr __half __float2half(float value) {  // NOLINT
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFF;
  const auto result = [&](std::uint32_t magnitude) {
    return __half{static_cast<std::uint16_t>(sign | magnitude)};
  };
  if (rest > 0x7F800000) return __half{0x7FFF};
  if (rest >= 0x477FF000) return result(0x7C00);  // 65520 and more round to infinity
  if (rest < 0x38800000) {  // below 2^-14: adding 0.5 makes the unit in the last place 2^-24
    const float shifted = std::bit_cast<float>(rest) + 0.5F;
    return result(std::bit_cast<std::uint32_t>(shifted) - 0x3F000000);
  }
  return result((rest - 0x38000000 + 0xFFF + (rest >> 13 & 1)) >> 13);
}

}  // namespace fovea::emulated
