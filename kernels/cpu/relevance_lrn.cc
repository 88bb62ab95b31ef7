// LRN relevance, one image and a run of positions at a time: the channels of the run are gathered
// into a tile [channel][position] so that every loop over positions is contiguous whatever the
// layout.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

constexpr std::int64_t kRun =
    64;  // positions per tile: 4 cache lines a row, tiles of 256 channels stay in L2

struct Tile {
  std::int64_t channels;
  std::vector<float> values;
  explicit Tile(std::int64_t c) : channels(c), values(static_cast<std::size_t>(c * kRun)) {}
  float* row(std::int64_t c) { return values.data() + c * kRun; }
};

void gather(const Lanes& dims, const float* data, std::int64_t image, std::int64_t first,
            std::int64_t count, Tile& tile) {
  for (std::int64_t c = 0; c < tile.channels; ++c) {
    for (std::int64_t i = 0; i < count; ++i)
      tile.row(c)[i] = data[dims.element(image, c, first + i)];
  }
}

// s^-beta; every net of the study has beta = 0.75, which is two square roots instead of a pow.
template <bool kThreeQuarters>
float negative_power(float s, float beta) {
  if constexpr (!kThreeQuarters) return std::pow(s, -beta);
  const float root = std::sqrt(s);
  return 1.0F / (root * std::sqrt(root));
}

// squares[c] = sum over the window of x^2.
void sum_squares(const LrnParams& p, Tile& x, Tile& squares) {
  const std::int64_t half = (p.size - 1) / 2;
  for (std::int64_t c = 0; c < x.channels; ++c) {
    float* s = squares.row(c);
    std::fill_n(s, kRun, 0.0F);
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, x.channels - 1); ++d) {
      const float* other = x.row(d);
      for (std::int64_t i = 0; i < kRun; ++i) s[i] += other[i] * other[i];
    }
  }
}

// What output c sends to its own input (`own`) and, over x_c'^2, to each neighbour (`cross`). The
// Taylor rule divides both by the sum of messages, of which x_c has cancelled; own, cross and the
// sum are then over x_c.
template <bool kTaylor, bool kThreeQuarters>
void messages(const LrnParams& p, Tile& x, Tile& squares, Tile& r, Tile& own, Tile& cross) {
  const float factor = p.alpha / static_cast<float>(p.size);
  for (std::int64_t c = 0; c < x.channels; ++c) {
    const float *value = x.row(c), *window = squares.row(c), *relevance = r.row(c);
    float *to_self = own.row(c), *to_others = cross.row(c);
#pragma omp simd
    for (std::int64_t i = 0; i < kRun; ++i) {
      const float square = value[i] * value[i], scale = p.k + factor * window[i];
      const float self = negative_power<kThreeQuarters>(p.k + factor * square, p.beta);
      const float others =
          -2 * factor * p.beta * negative_power<kThreeQuarters>(scale, p.beta) / scale;
      const float gain =
          kTaylor ? relevance[i] / (self + others * (window[i] - square)) : relevance[i] * value[i];
      to_self[i] = self * gain;
      to_others[i] = others * gain;
    }
  }
}

// r_c = own_c + x_c^2 sum of its neighbours' cross.
void collect(const LrnParams& p, Tile& x, Tile& own, Tile& cross, Tile& result) {
  const std::int64_t half = (p.size - 1) / 2;
  for (std::int64_t c = 0; c < x.channels; ++c) {
    float sum[kRun] = {};
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, x.channels - 1); ++d) {
      if (d == c) continue;
      const float* other = cross.row(d);
      for (std::int64_t i = 0; i < kRun; ++i) sum[i] += other[i];
    }
    for (std::int64_t i = 0; i < kRun; ++i)
      result.row(c)[i] = own.row(c)[i] + x.row(c)[i] * x.row(c)[i] * sum[i];
  }
}

}  // namespace

void relevance_lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
                   const OpTensor& r_bottom) {
  const Lanes dims(x);
  const std::int64_t runs = (dims.positions + kRun - 1) / kRun;
  const bool taylor = rule == LrnRule::kTaylor;
  const auto send = params.beta == 0.75F
                        ? (taylor ? messages<true, true> : messages<false, true>)
                        : (taylor ? messages<true, false> : messages<false, false>);
#pragma omp parallel
  {
    Tile value(dims.channels), squares(dims.channels), relevance(dims.channels), own(dims.channels),
        cross(dims.channels);
#pragma omp for schedule(static)
    for (std::int64_t task = 0; task < dims.images * runs; ++task) {
      const std::int64_t image = task / runs, first = task % runs * kRun;
      const std::int64_t count = std::min(kRun, dims.positions - first);
      gather(dims, x.data, image, first, count, value);
      gather(dims, r_top.data, image, first, count, relevance);
      sum_squares(params, value, squares);
      send(params, value, squares, relevance, own, cross);
      collect(params, value, own, cross, relevance);
      for (std::int64_t c = 0; c < dims.channels; ++c) {
        for (std::int64_t i = 0; i < count; ++i)
          r_bottom.data[dims.element(image, c, first + i)] = relevance.row(c)[i];
      }
      for (std::int64_t c = dims.channels; c < dims.blocks * dims.lanes; ++c) {
        for (std::int64_t i = 0; i < count; ++i)
          r_bottom.data[dims.element(image, c, first + i)] = 0;
      }
    }
  }
}

}  // namespace fovea::cpu
