// Mask and bias sums of a gradient; linear_gradient.cuh.
//
//   block: 32 channels x 8 threads along the rows, kRows rows; threads of a warp read 128 bytes
#include "kernels/cuda/linear_gradient.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kChannels = 32, kAlong = 8, kRows = 512;

template <bool kWrite>
__global__ void mask_and_sum(const GradientRows in, float* masked, float* partials) {
  FOVEA_SHARED(float, sums, kAlong, kChannels);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int channel = static_cast<int>(blockIdx.x) * kChannels + tx;
  const int begin = static_cast<int>(blockIdx.y) * kRows;
  const int end = min(begin + kRows, in.rows);
  float sum = 0;
  if (channel < in.channels) {
    for (int row = begin + ty; row < end; row += kAlong) {
      float v = in.dy[row * in.pitch + channel];
      if (in.y && !(in.y[row * in.y_pitch + channel] > 0.0F)) v *= in.slope;
      if (kWrite) masked[row * in.pitch + channel] = v;
      sum += v;
    }
  }
  if (!partials) return;
  sums[ty][tx] = sum;
  __syncthreads();
  if (ty > 0 || channel >= in.channels) return;
  float total = sums[0][tx];
  for (int i = 1; i < kAlong; ++i) total += sums[i][tx];
  partials[static_cast<int>(blockIdx.y) * in.channels + channel] = total;
}

__global__ void add_sums(const float* partials, int count, int channels, float* db) {
  const int channel =
      static_cast<int>(blockIdx.x) * kChannels * kAlong + static_cast<int>(threadIdx.x);
  if (channel >= channels) return;
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += partials[i * channels + channel];
  db[channel] = sum;
}

int row_blocks(std::int32_t rows) { return (rows + kRows - 1) / kRows; }

}  // namespace

std::int64_t gradient_partials(std::int32_t rows, std::int32_t channels) {
  return std::int64_t{row_blocks(rows)} * channels;
}

void mask_and_sum_gradient(Stream stream, const GradientRows& in, float* masked, float* db,
                           float* partials) {
  const dim3 grid(static_cast<unsigned>((in.channels + kChannels - 1) / kChannels),
                  static_cast<unsigned>(row_blocks(in.rows)));
  const dim3 block(kChannels, kAlong);
  float* sums = db ? partials : nullptr;
  if (masked) {
    launch<mask_and_sum<true>>(grid, block, 0, stream, in, masked, sums);
  } else if (db) {
    launch<mask_and_sum<false>>(grid, block, 0, stream, in, masked, sums);
  }
  if (!db) return;
  launch<add_sums>(blocks_for(in.channels, kChannels * kAlong), dim3(kChannels * kAlong), 0, stream,
                   partials, row_blocks(in.rows), in.channels, db);
}

}  // namespace fovea::FOVEA_TARGET
