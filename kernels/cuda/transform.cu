// Crop, mirror, mean and channel order of uint8 images into the input of a net; formula:
// kernels/ops/transform_kernels.h.
//
//   x (M,C,H,W) uint8, mean (C,H,W) | (C) | 1, y (N,C,P,Q) plain or channels-last
//   thread: four neighbouring values of y in memory, 16 bytes, whatever rows or channels they are
//   of: crops are odd (227), so rows are not aligned; 256 threads to a block
//   bytes per value: 5, and the mean from the cache (4 for each value of an image once)
//   Caffe data_transformer.cu
#include "kernels/ops/transform_kernels.h"

#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

struct Extents {
  int C, H, W, P, Q, count;
};

// Where a value of y stands.
struct Place {
  int n, c, p, q;
};

template <bool kChannelsLast>
__device__ __forceinline__ Place place_of(const Extents& e, int index) {
  if constexpr (kChannelsLast) {
    const int pixel = index / e.C, row = pixel / e.Q;
    return {row / e.P, index - pixel * e.C, row % e.P, pixel - row * e.Q};
  } else {
    const int row = index / e.Q, plane = row / e.P;
    return {plane / e.C, plane % e.C, row - plane * e.P, index - row * e.Q};
  }
}

// The value behind it in memory.
template <bool kChannelsLast>
__device__ __forceinline__ void advance(const Extents& e, Place& at) {
  if constexpr (kChannelsLast) {
    if (++at.c < e.C) return;
    at.c = 0;
    if (++at.q < e.Q) return;
    at.q = 0;
    if (++at.p < e.P) return;
    at.p = 0, ++at.n;
  } else {
    if (++at.q < e.Q) return;
    at.q = 0;
    if (++at.p < e.P) return;
    at.p = 0;
    if (++at.c < e.C) return;
    at.c = 0, ++at.n;
  }
}

template <bool kChannelsLast>
__global__ void transform(Extents e, const std::uint8_t* x, const TransformWindow* windows,
                          const float* mean, TransformMean kind, float scale, bool swap, float* y) {
  const int first = (static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * 4;
  if (first >= e.count) return;
  const int size = e.count - first < 4 ? e.count - first : 4;
  Place at = place_of<kChannelsLast>(e, first);
  float values[4] = {};
  for (int k = 0; k < 4; ++k) {
    if (k >= size) break;
    const TransformWindow window = windows[at.n];
    const int h = window.top + at.p, w = window.left + (window.mirror ? e.Q - 1 - at.q : at.q);
    const int from = swap ? e.C - 1 - at.c : at.c, pixel = h * e.W + w, plane = e.H * e.W;
    const std::int64_t image = static_cast<std::int64_t>(window.image) * e.C * plane;
    const float m = kind == TransformMean::kImage      ? mean[at.c * plane + pixel]
                    : kind == TransformMean::kChannels ? mean[at.c]
                                                       : mean[0];
    values[k] = (static_cast<float>(x[image + from * plane + pixel]) - m) * scale;
    advance<kChannelsLast>(e, at);
  }
  if (size == 4) {
    store4(y + first, make_float4(values[0], values[1], values[2], values[3]));
  } else {
    for (int k = 0; k < size; ++k) y[first + k] = values[k];
  }
}

}  // namespace

void transform_images(Device& device, const TransformProblem& t);
void transform_images(Device& device, const TransformProblem& t) {
  const Shape& s = t.y.shape;
  if (s.count() == 0) return;
  const Extents e{index32(t.image[0]), index32(t.image[1]), index32(t.image[2]),
                  index32(s.h()),      index32(s.w()),      index32(s.count())};
  const dim3 grid = blocks_for(s.count(), 4 * kThreads);
  const Stream stream = stream_of(device);
  if (t.y.layout == Layout::kChannelsLast) {
    launch<transform<true>>(grid, kThreads, 0, stream, e, t.x, t.windows, t.mean, t.mean_kind,
                            t.scale, t.swap_channels, t.y.data);
  } else {
    launch<transform<false>>(grid, kThreads, 0, stream, e, t.x, t.windows, t.mean, t.mean_kind,
                             t.scale, t.swap_channels, t.y.data);
  }
}

}  // namespace fovea::FOVEA_TARGET
