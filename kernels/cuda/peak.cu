// The arithmetic that a GPU does on registers alone, to hold other rates against.
//
//   thread: kChains independent sums, so that no product waits for the one before it; 256 to a
//   block fp32: fused multiply-adds; tf32, bf16: the products of gemm_mma.cuh (mma.sync).
//   Instructions that read shared memory by themselves (wgmma) can go beyond the latter.
#include "kernels/cuda/device/matrix.cuh"
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256, kChains = 8, kRounds = 2048;

// `zero` keeps the compiler from seeing that sums stay as they are; nothing is written but NaN.
__global__ void multiply_add(float zero, float* out) {
  float sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = static_cast<float>(threadIdx.x) + zero;
  const float factor = 1.0F + zero;
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * factor + zero;
  }
  float all = 0;
  for (int i = 0; i < kChains; ++i) all += sums[i];
  if (all != all) *out = all;
}

template <bool kBf16>
__global__ void multiply_matrices(float zero, float* out) {
  float sums[kChains][4] = {};
  std::uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) a[i] = __float_as_uint(zero);
  for (int i = 0; i < 2; ++i) b[i] = __float_as_uint(zero);
  for (int round = 0; round < kRounds / 4; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) {
      if constexpr (kBf16) {
        mma_m16n8k16_bf16(sums[i], a, b);
      } else {
        mma_m16n8k8_tf32(sums[i], a, b);
      }
    }
  }
  float all = 0;
  for (int i = 0; i < kChains; ++i) all += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
  if (all != all) *out = all;
}

// FLOP of one block.
double start(Stream stream, Precision precision, unsigned blocks, float* out) {
  constexpr double kWarps = kThreads / 32, kProducts = kWarps * kChains * kRounds / 4;
  switch (precision) {
    case Precision::kFp32:
      launch<multiply_add>(dim3(blocks), dim3(kThreads), 0, stream, 0.0F, out);
      return 2.0 * kThreads * kChains * kRounds;
    case Precision::kTf32:
      launch<multiply_matrices<false>>(dim3(blocks), dim3(kThreads), 0, stream, 0.0F, out);
      return kProducts * 2 * 16 * 8 * 8;
    case Precision::kBf16:
      launch<multiply_matrices<true>>(dim3(blocks), dim3(kThreads), 0, stream, 0.0F, out);
      return kProducts * 2 * 16 * 8 * 16;
  }
  return 0;
}

}  // namespace

double measure_peak_flops(Device& device, Precision precision);
double measure_peak_flops(Device& device, Precision precision) {
  constexpr unsigned kBlocks = 1 << 14;
  const DeviceBuffer<float> out(device, 1);
  double flop = 0;
  const std::vector<double> seconds = device.time(
      [&] { flop = start(stream_of(device), precision, kBlocks, out.data()); }, 5, /*cold=*/false);
  return kBlocks * flop / *std::min_element(seconds.begin(), seconds.end());
}

}  // namespace fovea::FOVEA_TARGET
