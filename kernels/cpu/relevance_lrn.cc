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

// scale[c] = k + alpha/n sum over the window of x^2.
void channel_scale(const LrnParams& p, Tile& x, Tile& scale) {
  const std::int64_t half = (p.size - 1) / 2;
  const float factor = p.alpha / static_cast<float>(p.size);
  for (std::int64_t c = 0; c < x.channels; ++c) {
    float* s = scale.row(c);
    std::fill_n(s, kRun, 0.0F);
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, x.channels - 1); ++d) {
      const float* other = x.row(d);
      for (std::int64_t i = 0; i < kRun; ++i) s[i] += other[i] * other[i];
    }
    for (std::int64_t i = 0; i < kRun; ++i) s[i] = p.k + factor * s[i];
  }
}

// r becomes the relevance at the bottom. `own` is the factor of the unit's own relevance, `cross`
// that of its neighbours':
//   R_c <- own_c R_c + x_c^e sum_c' cross_c' R_c'. Toolbox: e = 2, the own channel left out of the
//   sum; gradient: e = 2 as well (one x from the input, one from the derivative), own channel
//   included.
void mix(const LrnParams& p, LrnRule rule, Tile& x, Tile& scale, Tile& r, Tile& cross,
         Tile& result) {
  const std::int64_t half = (p.size - 1) / 2;
  const float factor = p.alpha / static_cast<float>(p.size);
  const bool toolbox = rule == LrnRule::kToolbox;
  for (std::int64_t c = 0; c < x.channels; ++c) {
    for (std::int64_t i = 0; i < kRun; ++i) {
      // Toolbox: -2 alpha/n beta S^(-beta-1) x R. Gradient of y R/y: -2 alpha/n beta R / S (y/x =
      // S^-beta cancels).
      const float s = scale.row(c)[i];
      const float shared = -2 * factor * p.beta * r.row(c)[i] / s;
      cross.row(c)[i] =
          toolbox ? shared * std::pow(s, -p.beta) * x.row(c)[i] : (x.row(c)[i] == 0 ? 0 : shared);
    }
  }
  for (std::int64_t c = 0; c < x.channels; ++c) {
    float sum[kRun] = {};
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, x.channels - 1); ++d) {
      if (toolbox && d == c) continue;
      for (std::int64_t i = 0; i < kRun; ++i) sum[i] += cross.row(d)[i];
    }
    for (std::int64_t i = 0; i < kRun; ++i) {
      const float value = x.row(c)[i], relevance = r.row(c)[i];
      const float own = toolbox
                            ? relevance * value * std::pow(p.k + factor * value * value, -p.beta)
                            : (value == 0 ? 0 : relevance);
      result.row(c)[i] = own + value * value * sum[i];
    }
  }
}

}  // namespace

void relevance_lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
                   const OpTensor& r_bottom) {
  const Lanes dims(x);
  const std::int64_t runs = (dims.positions + kRun - 1) / kRun;
#pragma omp parallel
  {
    Tile value(dims.channels), scale(dims.channels), relevance(dims.channels), cross(dims.channels),
        result(dims.channels);
#pragma omp for schedule(static)
    for (std::int64_t task = 0; task < dims.images * runs; ++task) {
      const std::int64_t image = task / runs, first = task % runs * kRun;
      const std::int64_t count = std::min(kRun, dims.positions - first);
      gather(dims, x.data, image, first, count, value);
      gather(dims, r_top.data, image, first, count, relevance);
      channel_scale(params, value, scale);
      mix(params, rule, value, scale, relevance, cross, result);
      for (std::int64_t c = 0; c < dims.channels; ++c) {
        for (std::int64_t i = 0; i < count; ++i)
          r_bottom.data[dims.element(image, c, first + i)] = result.row(c)[i];
      }
      for (std::int64_t c = dims.channels; c < dims.blocks * dims.lanes; ++c) {
        for (std::int64_t i = 0; i < count; ++i)
          r_bottom.data[dims.element(image, c, first + i)] = 0;
      }
    }
  }
}

}  // namespace fovea::cpu
