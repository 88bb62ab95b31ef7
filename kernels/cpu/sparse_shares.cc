// Shares of inputs in blocks of channels, each pixel gathered from the marked outputs that read it:
// first a list of them, then a pass over the list with the pixel's channels in registers.
#include <algorithm>

#include "kernels/cpu/sparse_carried.h"
#include "kernels/cpu/sparse_convolution.h"

namespace fovea::cpu {
namespace {

// Floats of weights that stay in a core's second-level cache while they pass over an image.
constexpr std::int64_t kWeightFloats = 96 * 1024;
constexpr int kWidest = 8;  // vectors of channels that are summed in registers
// An image is taken in parts, so that one image alone feeds several threads.
constexpr std::int64_t kParts = 8;

// to (+)= what is carried, kWidth vectors of channels that lie `plane` apart; in the end times x.
template <std::int64_t kLanes, int kWidth>
void add_carried(const Carried<kLanes>& carried, const float* weights, bool begins, bool ends,
                 const float* x, std::int64_t plane, float* to) {
  Vector<kLanes> sums[kWidth] = {};
  for (int v = 0; v < kWidth && !begins; ++v) sums[v] = load<kLanes>(to + v * plane);
  carried.for_each(weights, [&](const float* w, const auto& positive, const auto& negative) {
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) {
      const Vector<kLanes> weight = load<kLanes>(w + v * kLanes);
      sums[v] += weight * (weight > 0 ? positive : negative);
    }
  });
  for (int v = 0; v < kWidth; ++v) {
    if (ends) sums[v] *= load<kLanes>(x + v * plane);
    store(sums[v], to + v * plane);
  }
}

// Along one axis: the taps first, first + step, ... below last through which pixel `at` is read.
struct Taps {
  std::int64_t first, last, step;
  Taps(std::int64_t at, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
       std::int64_t outputs)
      : first(std::max((at + pad) % stride, at + pad - (outputs - 1) * stride)),
        last(std::min(kernel, at + pad + 1)),
        step(stride) {}
};

}  // namespace

template <std::int64_t kLanes>
void SparseConvolution::gather_shares(const float* weights, const float* s0, const float* s1,
                                      const float* x, float* r) const {
  const auto &kernel = params_.kernel, &stride = params_.stride, &pad = params_.pad;
  const std::int64_t vectors = group_channels_ / kLanes, chunks = (vectors + kWidest - 1) / kWidest,
                     pixels = x_.h() * x_.w(), plane = pixels * kLanes,
                     together = std::clamp<std::int64_t>(kWeightFloats / (kLanes * row()), 1,
                                                         group_blocks_);
  // What outputs of blocks [begin, end) of image n carry to pixel (h, w).
  const auto collect = [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t begin,
                           std::int64_t end, Carried<kLanes>& carried) {
    const Taps rows(h, kernel[0], stride[0], pad[0], top_.h()),
        columns(w, kernel[1], stride[1], pad[1], top_.w());
    carried.clear();
    for (std::int64_t tap_r = rows.first; tap_r < rows.last; tap_r += rows.step) {
      const std::int64_t p = (h + pad[0] - tap_r) / stride[0];
      for (std::int64_t tap_s = columns.first; tap_s < columns.last; tap_s += columns.step) {
        const std::int64_t q = (w + pad[1] - tap_s) / stride[1];
        for (std::int64_t block = begin; block < end; ++block) {
          const std::int64_t at = (n * blocks_ + block) * positions() + p * top_.w() + q;
          carried.add(marks_[at],
                      tap_r * run_ + tap_s * group_channels_ + (block - begin) * kLanes * row(),
                      s0 ? s0 + at * kLanes : nullptr, s1 ? s1 + at * kLanes : nullptr);
        }
      }
    }
  };
#pragma omp parallel
  {
    Carried<kLanes> carried(kernel[0] * kernel[1] * together * kLanes, row());
#pragma omp for schedule(dynamic)
    for (std::int64_t task = 0; task < x_.n() * params_.groups * kParts; ++task) {
      const std::int64_t part = task % kParts, group = task / kParts, n = group / params_.groups,
                         first_block = group % params_.groups * group_blocks_;
      for (std::int64_t begin = 0; begin < group_blocks_; begin += together) {
        const std::int64_t end = std::min(group_blocks_, begin + together);
        const float* block_weights = weights + (first_block + begin) * kLanes * row();
        for (std::int64_t pixel = pixels * part / kParts; pixel < pixels * (part + 1) / kParts;
             ++pixel) {
          collect(n, pixel / x_.w(), pixel % x_.w(), first_block + begin, first_block + end,
                  carried);
          for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
            const std::int64_t from = vectors * chunk / chunks,
                               at = (group * vectors + from) * plane + pixel * kLanes;
            with_constant<kWidest>(vectors * (chunk + 1) / chunks - from, [&](auto width) {
              add_carried<kLanes, width.value>(carried, block_weights + from * kLanes, begin == 0,
                                               end == group_blocks_, x + at, plane, r + at);
            });
          }
        }
      }
    }
  }
}

template void SparseConvolution::gather_shares<8>(const float*, const float*, const float*,
                                                  const float*, float*) const;
template void SparseConvolution::gather_shares<16>(const float*, const float*, const float*,
                                                   const float*, float*) const;

}  // namespace fovea::cpu
