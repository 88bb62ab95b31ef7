#include "kernels/cpu/sgd.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace fovea::cpu {
namespace {

template <bool kL1>
void update(const SgdStep& step, std::span<float> weights, std::span<const float> gradient,
            std::span<float> history) {
  float *w = weights.data(), *v = history.data();
  const float* g = gradient.data();
  const auto count = static_cast<std::int64_t>(weights.size());
  const SgdStep s = step;  // in registers: the loop writes floats, which might alias the fields
#pragma omp parallel for simd schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const float sign = w[i] > 0 ? 1.0F : w[i] < 0 ? -1.0F : 0.0F;
    const float decayed = s.gradient_scale * g[i] + s.decay * (kL1 ? sign : w[i]);
    v[i] = s.momentum * v[i] + s.rate * decayed;
    w[i] -= v[i];
  }
}

}  // namespace

void sgd_update(const SgdStep& step, std::span<float> w, std::span<const float> g,
                std::span<float> v) {
  step.l1 ? update<true>(step, w, g, v) : update<false>(step, w, g, v);
}

void average_update(float decay, std::span<float> average, std::span<const float> w) {
  float* a = average.data();
  const float* x = w.data();
  const auto count = static_cast<std::int64_t>(average.size());
  const float rest = 1 - decay;
#pragma omp parallel for simd schedule(static)
  for (std::int64_t i = 0; i < count; ++i) a[i] = decay * a[i] + rest * x[i];
}

double sum_of_squares(std::span<const float> values) {
  constexpr std::size_t kChunk = 1 << 16, kRound = 256;  // a round's sums lie on the stack
  const std::size_t chunks = (values.size() + kChunk - 1) / kChunk;
  double total = 0;
  for (std::size_t first = 0; first < chunks; first += kRound) {
    std::array<double, kRound> partial;
    const std::size_t count = std::min(kRound, chunks - first);
#pragma omp parallel for schedule(static)
    for (std::size_t c = 0; c < count; ++c) {
      const std::size_t begin = (first + c) * kChunk;
      double sum = 0;
      for (std::size_t i = begin; i < std::min(values.size(), begin + kChunk); ++i)
        sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      partial[c] = sum;
    }
    for (std::size_t c = 0; c < count; ++c) total += partial[c];
  }
  return total;
}

}  // namespace fovea::cpu
