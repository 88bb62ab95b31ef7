// Relevance through LRN across channels (kernels/ops/relevance_other.h): the Taylor rule and the
// LRP Toolbox's.
//
//   x, r_bottom (N,H,W,C) or (N,C,H,W), r_top likewise
//   thread: one value of x. What an output sends (its own share, and over x^2 its neighbours') is
//   computed again by each of the `size` inputs that it reaches; all of it comes from L1, so that
//   device memory is read and written once: 12 bytes a value
#include "kernels/cuda/device/power.cuh"
#include "kernels/cuda/relevance.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

struct Rule {
  int count, channels, half;
  float factor, beta, k;  // factor = alpha / size
  Divisor channel_step, channel;
  Strides x, r;
  Divisor positions, columns;
};

// What output c gives: to its own input, and over x^2 to each neighbour.
struct Message {
  float own, cross;
};
template <bool kTaylor>
__device__ __forceinline__ Message message(const Rule& p, int c, const float* x, float relevance) {
  // x points to channel c
  float window = 0;
  for (int d = max(c - p.half, 0); d <= min(c + p.half, p.channels - 1); ++d) {
    const float other = x[(d - c) * p.x.channel];
    window += other * other;
  }
  const float value = *x, square = value * value, scale = p.k + p.factor * window;
  const float self = negative_power(p.k + p.factor * square, p.beta);
  const float others = -2 * p.factor * p.beta * negative_power(scale, p.beta) / scale;
  const float gain = kTaylor ? relevance / (self + others * (window - square)) : relevance * value;
  return {self * gain, others * gain};
}

template <bool kTaylor>
__global__ void send(Rule p, const float* x, const float* r_top, float* r_bottom) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= p.count) return;
  const int c = p.channel.divide(p.channel_step.divide(at).quotient).remainder;
  // (n, position) of the element in either layout of x
  int n = 0, position = 0;
  if (p.x.channel == 1) {
    const Quotient q = p.positions.divide(p.channel.divide(at).quotient);
    n = q.quotient, position = q.remainder;
  } else {
    const Quotient q = p.positions.divide(at);
    n = p.channel.divide(q.quotient).quotient, position = q.remainder;
  }
  const Quotient row = p.columns.divide(position);
  const float* above = r_top + n * p.r.image + row.quotient * p.r.row + row.remainder * p.r.column;
  float own = 0, cross = 0;
  for (int d = max(c - p.half, 0); d <= min(c + p.half, p.channels - 1); ++d) {
    const Message m =
        message<kTaylor>(p, d, x + at + (d - c) * p.x.channel, above[d * p.r.channel]);
    if (d == c) {
      own = m.own;
    } else {
      cross += m.cross;
    }
  }
  r_bottom[at] = own + x[at] * x[at] * cross;
}

}  // namespace

void relevance_lrn(Stream stream, const LrnParams& params, LrnRule rule, const OpTensor& x,
                   const OpTensor& r_top, const OpTensor& r_bottom) {
  expects(x.layout == r_bottom.layout, "one layout of values and relevance");
  const Shape& s = x.shape;
  const Strides of_x = strides_of(x);
  const Rule p{index32(s.count()),
               index32(s.c()),
               index32((params.size - 1) / 2),
               params.alpha / static_cast<float>(params.size),
               params.beta,
               params.k,
               Divisor(of_x.channel),
               Divisor(s.c()),
               of_x,
               strides_of(r_top),
               Divisor(s.h() * s.w()),
               Divisor(s.w())};
  const dim3 grid = blocks_for(s.count(), kThreads);
  if (rule == LrnRule::kTaylor) {
    launch<send<true>>(grid, kThreads, 0, stream, p, x.data, r_top.data, r_bottom.data);
  } else {
    launch<send<false>>(grid, kThreads, 0, stream, p, x.data, r_top.data, r_bottom.data);
  }
}

}  // namespace fovea::FOVEA_TARGET
