// Shares of pixels: an output reads three channels, so that the runs of its window are what fills
// vectors. Every position adds up the windows of its marked outputs, a row of them in registers,
// and adds the row to a padded image: two images, one for what reaches positive pixels and one for
// negative ones, where the other sign of weights makes positive products.
//
// Rows of positions are taken in bands so high that a band shares pixels with its neighbours only;
// first the even bands in parallel, then the odd ones, so that no two threads write to one pixel
// and the order of additions is fixed. What falls on the padding is lost, as it shall be.
#include <algorithm>

#include "kernels/cpu/sparse_carried.h"
#include "kernels/cpu/sparse_convolution.h"

namespace fovea::cpu {
namespace {

constexpr int kWidest = 4;  // vectors of a run that are summed in registers, for both images

// Adds kWidth vectors of what is carried to both images.
template <std::int64_t kLanes, int kWidth>
void add_carried(const Carried<kLanes>& carried, const float* weights, float* to_positive,
                 float* to_negative) {
  Vector<kLanes> a[kWidth], b[kWidth];
  for (int v = 0; v < kWidth; ++v) {
    a[v] = load<kLanes>(to_positive + v * kLanes);
    b[v] = load<kLanes>(to_negative + v * kLanes);
  }
  carried.for_each(weights, [&](const float* w, const auto& positive, const auto& negative) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      const Vector<kLanes> weight = load<kLanes>(w + v * kLanes);
      const auto rises = weight > 0;
      a[v] += weight * (rises ? positive : negative);
      b[v] += weight * (rises ? negative : positive);
    }
  });
  for (int v = 0; v < kWidth; ++v) {
    store(a[v], to_positive + v * kLanes);
    store(b[v], to_negative + v * kLanes);
  }
}

}  // namespace

template <std::int64_t kLanes>
void SparseConvolution::scatter_shares(const float* weights, const float* s0, const float* s1,
                                       const float* x, float* r) const {
  const std::int64_t channels = x_.c(), vectors = run_ / kLanes;
  float *positive = arrived_, *negative = arrived_ + padded_size();
  // Rows that a window touches, those among them that the filled up end of a run reaches over.
  const std::int64_t touched = params_.kernel[0] + (kLanes + padded_row_ - 1) / padded_row_,
                     height = (touched + params_.stride[0] - 1) / params_.stride[0],
                     bands = (top_.h() + height - 1) / height;
  // What the outputs at row p, column q of image n carry, to where it belongs.
  const auto at_position = [&](std::int64_t n, std::int64_t p, std::int64_t q,
                               Carried<kLanes>& carried) {
    carried.clear();
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const std::int64_t at = (n * blocks_ + block) * positions() + p * top_.w() + q;
      carried.add(marks_[at], block * block_weights(), s0 ? s0 + at * kLanes : nullptr,
                  s1 ? s1 + at * kLanes : nullptr);
    }
    if (carried.empty()) return;
    const std::int64_t corner =
        n * group_size() + p * params_.stride[0] * padded_row_ + q * params_.stride[1] * channels;
    for (std::int64_t tap = 0; tap < params_.kernel[0]; ++tap) {
      for (std::int64_t v = 0; v < vectors; v += kWidest) {
        const std::int64_t to = corner + tap * padded_row_ + v * kLanes;
        with_constant<kWidest>(std::min<std::int64_t>(kWidest, vectors - v), [&](auto width) {
          add_carried<kLanes, width.value>(carried, weights + tap * kLanes * run_ + v * kLanes,
                                           positive + to, negative + to);
        });
      }
    }
  };
#pragma omp parallel
  {
    Carried<kLanes> carried(blocks_ * kLanes, run_);
#pragma omp for schedule(static)
    for (std::int64_t at = 0; at < padded_size(); ++at) positive[at] = negative[at] = 0;
    for (std::int64_t odd = 0; odd < 2; ++odd) {
      const std::int64_t some = (bands + 1 - odd) / 2;
#pragma omp for schedule(dynamic)
      for (std::int64_t task = 0; task < x_.n() * some; ++task) {
        const std::int64_t n = task / some, first = (2 * (task % some) + odd) * height;
        for (std::int64_t p = first; p < std::min(top_.h(), first + height); ++p) {
          for (std::int64_t q = 0; q < top_.w(); ++q) at_position(n, p, q, carried);
        }
      }
    }
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < x_.n() * channels * x_.h(); ++row) {
      const std::int64_t n = row / x_.h() / channels, c = row / x_.h() % channels,
                         h = row % x_.h() + params_.pad[0];
      const std::int64_t from = n * group_size() + h * padded_row_ + params_.pad[1] * channels + c;
      for (std::int64_t w = 0; w < x_.w(); ++w) {
        const float pixel = x[row * x_.w() + w];
        r[row * x_.w() + w] = pixel * (pixel > 0 ? positive : negative)[from + w * channels];
      }
    }
  }
}

template void SparseConvolution::scatter_shares<8>(const float*, const float*, const float*,
                                                   const float*, float*) const;
template void SparseConvolution::scatter_shares<16>(const float*, const float*, const float*,
                                                    const float*, float*) const;

}  // namespace fovea::cpu
