// Local response normalisation (kernels/ops/lrn.h), forward and backward.
//
//   x, y, dx, dy (N,H,W,C)
//   thread: one value; neighbours come from L1, so that of device memory every value is read once
//   across channels: forward reads x, writes y (8 bytes a value); backward reads x and dy, computes
//     every S of its window again and writes dx (12 bytes): storing S would cost 8 more. Windows of
//     5 channels, as in the nets, are unrolled.
//   within a channel: forward also stores S in training (12 bytes), backward reads x, dy and S
//     (16): n^2 neighbours with n^2 terms each would be too much to compute again
//   Krizhevsky et al. 2012; Caffe lrn_layer.cu
#include "kernels/cuda/device/power.cuh"
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

struct Across {
  int half;  // of the window, without its centre
  float share, beta, k;
  Divisor channels;
};

// Channels of the window around c that exist; kHalf > 0 fixes the window's size.
template <int kHalf, class Body>
__device__ __forceinline__ void for_each_channel(const Across& p, int c, Body&& body) {
  const int half = kHalf > 0 ? kHalf : p.half, channels = p.channels.value();
  if constexpr (kHalf > 0) {
#pragma unroll
    for (int d = -kHalf; d <= kHalf; ++d) {
      if (c + d >= 0 && c + d < channels) body(d);
    }
  } else {
    const int last = min(c + half, channels - 1) - c;
    for (int d = max(c - half, 0) - c; d <= last; ++d) body(d);
  }
}
template <int kHalf>
__device__ __forceinline__ float scale_at(const Across& p, int c, const float* x) {
  float sum = 0;
  for_each_channel<kHalf>(p, c, [&](int d) { sum += x[d] * x[d]; });
  return p.k + p.share * sum;
}

template <int kHalf>
__global__ void across_forward(int count, Across p, const float* x, float* y) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const int c = p.channels.divide(at).remainder;
  y[at] = x[at] * negative_power(scale_at<kHalf>(p, c, x + at), p.beta);
}

template <int kHalf>
__global__ void across_backward(int count, Across p, const float* x, const float* dy, float* dx) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const int c = p.channels.divide(at).remainder;
  float sum = 0, own = 0;
  for_each_channel<kHalf>(p, c, [&](int d) {
    const float s = scale_at<kHalf>(p, c + d, x + at + d), power = negative_power(s, p.beta);
    sum += dy[at + d] * x[at + d] * power / s;
    if (d == 0) own = power * dy[at];
  });
  dx[at] = own - 2 * p.beta * p.share * x[at] * sum;
}

struct Within {
  int height, width, channels, size;  // size: rows and columns of the window
  float alpha, beta;
  Divisor channel, column, row;
};
struct Position {
  int n, h, w, c;
};
__device__ __forceinline__ Position position(const Within& p, int at) {
  const Quotient channel = p.channel.divide(at), column = p.column.divide(channel.quotient),
                 row = p.row.divide(column.quotient);
  return {row.quotient, row.remainder, column.remainder, channel.remainder};
}
// alpha / divisor of the window around (h, w): what average pooling with padding divides by.
__device__ __forceinline__ float window_share(const Within& p, int h, int w) {
  const int half = (p.size - 1) / 2;
  const int rows = min(h - half + p.size, p.height + half) - (h - half);
  const int columns = min(w - half + p.size, p.width + half) - (w - half);
  return p.alpha / static_cast<float>(rows * columns);
}
// body(h', w', place in memory) for the neighbours on the image, `before` rows and columns above
// and left of (h, w) to `after` below and right.
template <class Body>
__device__ __forceinline__ void for_each_pixel(const Within& p, const Position& at, int before,
                                               int after, Body&& body) {
  for (int h = max(at.h - before, 0); h <= min(at.h + after, p.height - 1); ++h) {
    for (int w = max(at.w - before, 0); w <= min(at.w + after, p.width - 1); ++w)
      body(h, w, ((at.n * p.height + h) * p.width + w) * p.channels + at.c);
  }
}

__global__ void within_forward(int count, Within p, const float* x, float* y, float* scales) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const Position place = position(p, at);
  const int half = (p.size - 1) / 2;
  float sum = 0;
  for_each_pixel(p, place, half, p.size - 1 - half,
                 [&](int, int, int other) { sum += x[other] * x[other]; });
  const float scale = 1 + window_share(p, place.h, place.w) * sum;
  y[at] = x[at] * negative_power(scale, p.beta);
  if (scales) scales[at] = scale;
}

// Windows that hold this pixel are those around the pixels after/before it, mirrored.
__global__ void within_backward(int count, Within p, const float* x, const float* dy,
                                const float* scales, float* dx) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  const Position place = position(p, at);
  const int half = (p.size - 1) / 2;
  float sum = 0;
  for_each_pixel(p, place, p.size - 1 - half, half, [&](int h, int w, int other) {
    const float s = scales[other];
    sum += window_share(p, h, w) * dy[other] * x[other] * negative_power(s, p.beta) / s;
  });
  dx[at] = negative_power(scales[at], p.beta) * dy[at] - 2 * p.beta * x[at] * sum;
}

class LrnOp final : public DeviceOp {
 public:
  explicit LrnOp(const OpProblem& problem)
      : DeviceOp(problem),
        p_(std::get<LrnParams>(problem.params)),
        shape_(problem.bottoms[0]),
        keeps_scales_(problem.training && !across()) {
    const Divisor channels(shape_.c());
    across_ = {index32((p_.size - 1) / 2), p_.alpha / static_cast<float>(p_.size), p_.beta, p_.k,
               channels};
    within_ = {index32(shape_.h()),
               index32(shape_.w()),
               index32(shape_.c()),
               index32(p_.size),
               p_.alpha,
               p_.beta,
               channels,
               Divisor(shape_.w()),
               Divisor(shape_.h())};
  }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] std::size_t state_bytes() const override {
    return keeps_scales_ ? static_cast<std::size_t>(shape_.count()) * sizeof(float) : 0;
  }

  void forward(std::uint64_t) override {
    const int count = index32(shape_.count());
    const dim3 grid = blocks_for(count, kThreads);
    const float* x = binding_.bottoms[0].data;
    float* y = binding_.tops[0].data;
    if (!across()) {
      launch<within_forward>(grid, kThreads, 0, stream_, count, within_, x, y,
                             keeps_scales_ ? scales() : nullptr);
    } else if (across_.half == 2) {
      launch<across_forward<2>>(grid, kThreads, 0, stream_, count, across_, x, y);
    } else {
      launch<across_forward<0>>(grid, kThreads, 0, stream_, count, across_, x, y);
    }
  }
  void backward(std::uint64_t) override {
    const int count = index32(shape_.count());
    const dim3 grid = blocks_for(count, kThreads);
    const float *x = binding_.bottoms[0].data, *dy = binding_.top_grads[0].data;
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    if (!across()) {
      launch<within_backward>(grid, kThreads, 0, stream_, count, within_, x, dy, scales(), dx);
    } else if (across_.half == 2) {
      launch<across_backward<2>>(grid, kThreads, 0, stream_, count, across_, x, dy, dx);
    } else {
      launch<across_backward<0>>(grid, kThreads, 0, stream_, count, across_, x, dy, dx);
    }
  }

 private:
  [[nodiscard]] bool across() const { return p_.region == LrnRegion::kAcrossChannels; }
  [[nodiscard]] float* scales() const { return reinterpret_cast<float*>(binding_.state); }

  LrnParams p_;
  Shape shape_;
  bool keeps_scales_;
  Across across_{};
  Within within_{};
};

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<LrnParams>(problem.params)) return "another operation";
  return problem.bottoms[0].rank() == 4 ? "" : "a tensor that is no image";
}

}  // namespace

extern const Implementation kLrn{FOVEA_TARGET_NAME ":lrn", supports, create_op_of<LrnOp>};

}  // namespace fovea::FOVEA_TARGET
