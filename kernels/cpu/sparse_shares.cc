// Shares of inputs in blocks of channels, each pixel gathered from the marked outputs that read it:
// first a list of them, then a pass over the list with the pixel's channels in registers.
#include <algorithm>

#include "kernels/cpu/sparse_carried.h"
#include "kernels/cpu/sparse_convolution.h"

namespace fovea::cpu {
namespace {

constexpr int kWidest = 8;  // vectors of channels that are summed in registers
// An image is taken in parts, so that one image alone feeds several threads.
constexpr std::int64_t kParts = 8;

// Adds what is carried to kWidth vectors of channels that lie `plane` apart. kApart: S+ and S- are
// two.
template <std::int64_t kLanes, int kWidth, bool kApart>
void add_carried(const Carried<kLanes>& carried, const float* weights, std::int64_t plane,
                 float* to) {
  Vector<kLanes> sums[kWidth];
  for (int v = 0; v < kWidth; ++v) sums[v] = load<kLanes>(to + v * plane);
  carried.for_each(weights, [&](const float* w, const auto& positive, const auto& negative) {
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) {
      const Vector<kLanes> weight = load<kLanes>(w + v * kLanes);
      sums[v] += weight * (kApart ? (weight > 0 ? positive : negative) : positive);
    }
  });
  for (int v = 0; v < kWidth; ++v) store(sums[v], to + v * plane);
}

// Along one axis: the taps first, first + step, ... below last through which pixel `at` is read, by
// output, output - 1, ...
struct Taps {
  std::int64_t first, last, step, output;
  Taps(std::int64_t at, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
       std::int64_t outputs)
      : first(std::max((at + pad) % stride, at + pad - (outputs - 1) * stride)),
        last(std::min(kernel, at + pad + 1)),
        step(stride),
        output((at + pad - first) / stride) {}
};

}  // namespace

template <std::int64_t kLanes, bool kApart>
void SparseConvolution::gather_shares(const float* weights, const float* s0, const float* s1,
                                      const float* x, float* r) const {
  const auto &kernel = params_.kernel, &stride = params_.stride, &pad = params_.pad;
  const std::int64_t vectors = group_channels_ / kLanes, chunks = (vectors + kWidest - 1) / kWidest,
                     plane = x_.h() * x_.w() * kLanes;
  // What row p of a block's outputs carries to column w of the input through one row of taps.
  const auto collect = [&](std::int64_t row_of_block, std::int64_t w, Carried<kLanes>& carried) {
    const Taps columns(w, kernel[1], stride[1], pad[1], top_.w());
    carried.clear();
    std::int64_t at = row_of_block * top_.w() + columns.output;
    for (std::int64_t tap = columns.first; tap < columns.last; tap += columns.step, --at) {
      carried.add(marks_[at], tap * group_channels_, s0 + at * kLanes,
                  kApart ? s1 + at * kLanes : nullptr);
    }
  };
  const auto add = [&](const Carried<kLanes>& carried, const float* tap_weights, float* pixel) {
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t from = vectors * chunk / chunks;
      with_constant<kWidest>(vectors * (chunk + 1) / chunks - from, [&](auto width) {
        add_carried<kLanes, width.value, kApart>(carried, tap_weights + from * kLanes, plane,
                                                 pixel + from * plane);
      });
    }
  };
#pragma omp parallel
  {
    Carried<kLanes> carried(kernel[1] * kLanes, run_);
#pragma omp for schedule(dynamic)
    for (std::int64_t task = 0; task < x_.n() * params_.groups * kParts; ++task) {
      const std::int64_t part = task % kParts, group = task / kParts, n = group / params_.groups,
                         first_row = x_.h() * part / kParts,
                         last_row = x_.h() * (part + 1) / kParts;
      float* to = r + group * vectors * plane;
      for (std::int64_t v = 0; v < vectors; ++v)
        std::fill(to + v * plane + first_row * x_.w() * kLanes,
                  to + v * plane + last_row * x_.w() * kLanes, 0.0F);
      const std::int64_t first_block = group % params_.groups * group_blocks_;
      for (std::int64_t block = first_block; block < first_block + group_blocks_; ++block) {
        for (std::int64_t tap = 0; tap < kernel[0]; ++tap) {
          const float* tap_weights = weights + block * block_weights() + tap * kLanes * run_;
          for (std::int64_t h = first_row; h < last_row; ++h) {
            const std::int64_t reach = h + pad[0] - tap, p = reach / stride[0];
            if (reach < 0 || reach % stride[0] != 0 || p >= top_.h()) continue;
            for (std::int64_t w = 0; w < x_.w(); ++w) {
              collect((n * blocks_ + block) * top_.h() + p, w, carried);
              add(carried, tap_weights, to + (h * x_.w() + w) * kLanes);
            }
          }
        }
      }
      for (std::int64_t v = 0; v < vectors; ++v) {
        const std::int64_t at = (group * vectors + v) * plane;
        for (std::int64_t i = first_row * x_.w() * kLanes; i < last_row * x_.w() * kLanes; ++i)
          r[at + i] *= x[at + i];
      }
    }
  }
}

void SparseConvolution::shares(const float* weights, const OpTensor& s_positive,
                               const OpTensor& s_negative, const OpTensor& x,
                               const OpTensor& r) const {
  const float *s0 = s_positive.data, *s1 = s_negative.data;
  const auto run = [&]<std::int64_t kLanes>(std::integral_constant<std::int64_t, kLanes>) {
    if (pixels_) {
      scatter_shares<kLanes>(weights, s0, s1, x.data, r.data);
    } else if (s0 == s1) {
      gather_shares<kLanes, false>(weights, s0, s1, x.data, r.data);
    } else {
      gather_shares<kLanes, true>(weights, s0, s1, x.data, r.data);
    }
  };
  if (lanes_ == 16) return run(std::integral_constant<std::int64_t, 16>{});
  run(std::integral_constant<std::int64_t, 8>{});
}

}  // namespace fovea::cpu
