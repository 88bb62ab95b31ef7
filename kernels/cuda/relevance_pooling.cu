// Relevance of pooling in proportion to the values: R_i += R_j x_i / S_j over the windows j that
// hold i (kernels/ops/relevance_other.h).
//
//   x, r_bottom (N,H,W,C) or (N,C,H,W), r_top (N,P,Q,C) likewise
//   thread: one (n, h, w) and 4 channels (1 where C is no multiple of 4, or layouts are plain),
//   gathering from the windows over it in row-major order: no atomics, a fixed order of summation;
//   a window's sum is computed again by each of its values, from L1
//   bytes per value of x: 8, and 4 per value of r_top
#include "kernels/cuda/device/channels.cuh"
#include "kernels/cuda/device/window.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;
// Below this the LRP Toolbox calls a window empty: it then adds x itself and drops R.
constexpr float kEmptyWindow = 1e-6F;

struct Geometry {
  int images, height, width, rows, columns;
  int kernel[2], stride[2], pad[2];
  bool toolbox;
  Strides x, r;
  Divisor vectors, row_length, image_rows;
};

template <int kWidth>
__device__ __forceinline__ Channels<kWidth> window_sum(const Geometry& g, const float* image,
                                                       int row, int column) {
  const Window h = clipped(row, g.kernel[0], g.stride[0], g.pad[0], g.height);
  const Window w = clipped(column, g.kernel[1], g.stride[1], g.pad[1], g.width);
  Channels<kWidth> sum{};
  for (int y = h.begin; y < h.end; ++y) {
    for (int x = w.begin; x < w.end; ++x) {
      const auto value = load_channels<kWidth>(image + y * g.x.row + x * g.x.column);
      for (int i = 0; i < kWidth; ++i) sum.value[i] += value.value[i];
    }
  }
  return sum;
}

__device__ __forceinline__ float share_of(bool toolbox, float relevance, float sum) {
  if (toolbox && fabsf(sum) < kEmptyWindow) return 1;
  return sum == 0 ? 0.0F : relevance / sum;
}

template <int kWidth>
__global__ void gather(Geometry g, const float* x, const float* r_top, float* r_bottom) {
  const int thread = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const Quotient vector = g.vectors.divide(thread), column = g.row_length.divide(vector.quotient),
                 row = g.image_rows.divide(column.quotient);
  const int n = row.quotient, channel = vector.remainder * kWidth;
  if (n >= g.images) return;
  const float* image = x + n * g.x.image + channel * g.x.channel;
  const float* above = r_top + n * g.r.image + channel * g.r.channel;
  const std::int64_t at = row.remainder * g.x.row + column.remainder * g.x.column;
  const auto value = load_channels<kWidth>(image + at);
  const Window h = covering(row.remainder, g.kernel[0], g.stride[0], g.pad[0], g.rows);
  const Window w = covering(column.remainder, g.kernel[1], g.stride[1], g.pad[1], g.columns);
  Channels<kWidth> sum{};
  for (int p = h.begin; p < h.end; ++p) {
    for (int q = w.begin; q < w.end; ++q) {
      const auto of_window = window_sum<kWidth>(g, image, p, q);
      const auto relevance = load_channels<kWidth>(above + p * g.r.row + q * g.r.column);
      for (int i = 0; i < kWidth; ++i)
        sum.value[i] +=
            share_of(g.toolbox, relevance.value[i], of_window.value[i]) * value.value[i];
    }
  }
  store_channels<kWidth>(r_bottom + n * g.x.image + channel * g.x.channel + at, sum);
}

}  // namespace

void relevance_average_pooling(Stream stream, const PoolingParams& params, AveragePoolingRule rule,
                               const OpTensor& x, const OpTensor& r_top, const OpTensor& r_bottom) {
  expects(x.layout == r_bottom.layout, "one layout of values and relevance");
  const PoolingParams p = resolved(params, x.shape);
  const Shape &s = x.shape, &y = r_top.shape;
  const bool wide =
      x.layout == Layout::kChannelsLast && r_top.layout == Layout::kChannelsLast && s.c() % 4 == 0;
  const std::int64_t vectors = wide ? s.c() / 4 : s.c();
  Geometry g{index32(s.n()),
             index32(s.h()),
             index32(s.w()),
             index32(y.h()),
             index32(y.w()),
             {},
             {},
             {},
             rule == AveragePoolingRule::kToolbox,
             strides_of(x),
             strides_of(r_top),
             Divisor(vectors),
             Divisor(s.w()),
             Divisor(s.h())};
  for (std::size_t i = 0; i < 2; ++i) {
    g.kernel[i] = index32(p.kernel[i]);
    g.stride[i] = index32(p.stride[i]);
    g.pad[i] = index32(p.pad[i]);
  }
  (void)index32(s.count());
  const dim3 grid = blocks_for(s.n() * s.h() * s.w() * vectors, kThreads);
  if (wide) {
    launch<gather<4>>(grid, kThreads, 0, stream, g, x.data, r_top.data, r_bottom.data);
  } else {
    launch<gather<1>>(grid, kThreads, 0, stream, g, x.data, r_top.data, r_bottom.data);
  }
}

}  // namespace fovea::FOVEA_TARGET
