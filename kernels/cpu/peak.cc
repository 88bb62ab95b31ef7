#include "kernels/cpu/peak.h"

#include <omp.h>

#include <algorithm>
#include <chrono>

#include "kernels/cpu/vector.h"

namespace fovea::cpu {
namespace {

constexpr std::int64_t kLanes = 16;
// Independent chains: two units of four cycles' latency need eight, and where a vector is two
// registers as many again; more would not stay in 16 registers.
constexpr int kChains = 12;

// `rounds` dependent multiply-adds in each chain. The factors keep every value near 1.
float run_chains(std::int64_t rounds, float start) {
  Vector<kLanes> chain[kChains];
  for (int i = 0; i < kChains; ++i) chain[i] = splat<kLanes>(start + static_cast<float>(i));
  const Vector<kLanes> factor = splat<kLanes>(0.999F), summand = splat<kLanes>(0.001F);
  for (std::int64_t round = 0; round < rounds; ++round)
    for (auto& value : chain) value = value * factor + summand;
  float sum = 0;
  for (const auto& value : chain) sum += value[0];
  return sum;
}

}  // namespace

double measure_peak_flops() {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kRounds = 400000;
  double best = 0;
  float sink = 0;  // keeps the arithmetic alive
  for (int attempt = 0; attempt < 8; ++attempt) {
    const auto start = Clock::now();
#pragma omp parallel reduction(+ : sink)
    sink += run_chains(kRounds, static_cast<float>(attempt + 1));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double flop =
        2.0 * static_cast<double>(kRounds) * kChains * kLanes * omp_get_max_threads();
    best = std::max(best, flop / seconds);
  }
  return sink > 0 ? best : 0;
}

}  // namespace fovea::cpu
