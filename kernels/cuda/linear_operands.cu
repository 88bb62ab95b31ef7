// Padded copies of operands, rounded or as they are; linear_operands.cuh.
//
//   thread: four neighbouring channels; 256 to a block
//   bytes per value: 8, for bf16 6
#include "kernels/cuda/linear_operands.cuh"

#include "kernels/cuda/device/matrix.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ std::uint32_t bf16_bits(float x) {
  const std::uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return 0x7FFFU;  // NaN
  return (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

// What a value becomes.
struct AsItIs {
  using Element = float;
  static __device__ __forceinline__ void store(float* to, float4 v) { store4(to, v); }
};
struct AsTf32 {
  using Element = float;
  static __device__ __forceinline__ void store(float* to, float4 v) {
    store4(to, map4([](float x) { return round_to_tf32(x); }, v));
  }
};
struct AsBf16 {
  using Element = std::uint16_t;
  static __device__ __forceinline__ void store(std::uint16_t* to, float4 v) {
    *reinterpret_cast<uint2*>(to) =
        make_uint2(bf16_bits(v.y) << 16 | bf16_bits(v.x), bf16_bits(v.w) << 16 | bf16_bits(v.z));
  }
};

template <class As>
__global__ void copy_values(int count, Divisor pieces, Divisor to_lines, const OperandShape s,
                            bool vector, const float* from, typename As::Element* to) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const Quotient piece = pieces.divide(at);
  const Quotient line = to_lines.divide(piece.quotient);
  const int channel = piece.remainder * 4, from_line = line.remainder - s.first;
  const float* source = from + line.quotient * s.pitch + from_line * s.channels + channel;
  float v[4] = {0, 0, 0, 0};
  if (static_cast<unsigned>(from_line) < static_cast<unsigned>(s.lines)) {
    if (vector) {
      const float4 four = load4(source);
      v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    } else {
      for (int e = 0; e < 4; ++e) {
        if (channel + e < s.channels) v[e] = source[e];
      }
    }
  }
  As::store(to + line.quotient * s.to_pitch + line.remainder * s.to_channels + channel,
            make_float4(v[0], v[1], v[2], v[3]));
}

template <class As>
void start(Stream stream, OperandShape s, const float* from, typename As::Element* to) {
  if (s.to_pitch == 0) s.to_pitch = s.to_lines * s.to_channels;
  const std::int64_t count = std::int64_t{s.blocks} * s.to_lines * (s.to_channels / 4);
  index32(std::int64_t{s.blocks} * s.to_pitch);
  const bool vector = s.channels == s.to_channels && s.pitch % 4 == 0 && aligned16(from);
  launch<copy_values<As>>(blocks_for(count, kThreads), dim3(kThreads), 0, stream, index32(count),
                          Divisor(s.to_channels / 4), Divisor(s.to_lines), s, vector, from, to);
}

}  // namespace

void copy_operand(Stream stream, const OperandShape& shape, const float* from, float* to) {
  start<AsItIs>(stream, shape, from, to);
}
void round_operand(Stream stream, const OperandShape& shape, const float* from, float* to) {
  start<AsTf32>(stream, shape, from, to);
}
void round_operand(Stream stream, const OperandShape& shape, const float* from, std::uint16_t* to) {
  start<AsBf16>(stream, shape, from, to);
}

}  // namespace fovea::FOVEA_TARGET
