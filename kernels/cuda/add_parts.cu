// What several ranks have sent, added up in their order.
//
//   to[i] = (parts[0][i] + parts[1][i]) + parts[2][i] + ...
//   parts (ranks, count), one rank's behind the other's
//   thread: one value, 256 to a block. The parts begin anywhere (count need not divide by four), so
//   accesses are 4 bytes; a warp's lie side by side
//   bytes per value: 4 (ranks + 1)
#include "kernels/cuda/add_parts.h"

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

__global__ void add_in_order(const float* parts, int ranks, int count, float* to) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= count) return;
  float sum = parts[i];
  for (int r = 1; r < ranks; ++r) sum += parts[static_cast<std::int64_t>(r) * count + i];
  to[i] = sum;
}

}  // namespace

void add_parts(Stream stream, const float* parts, int ranks, std::int64_t count, float* to) {
  if (count == 0) return;
  launch<add_in_order>(blocks_for(count, kThreads), kThreads, 0, stream, parts, ranks,
                       index32(count), to);
}

}  // namespace fovea::FOVEA_TARGET
