// The reference software's deterministic fill: bit-exact parameters and inputs without storing
// them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/graph/executor.h"

namespace fovea {

constexpr std::uint64_t splitmix64(std::uint64_t s) {
  std::uint64_t z = s + 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Uniform in [0, 1), in double.
constexpr double oracle_uniform(std::uint64_t base, std::uint64_t i) {
  return static_cast<double>(splitmix64(base * 1000003 + i) >> 40) * 0x1p-24;
}

inline std::vector<float> oracle_param(const Shape& shape, std::uint64_t seed, std::uint64_t k) {
  const double fan_in = static_cast<double>(shape.count()) / static_cast<double>(shape[0]);
  const double scale = shape.rank() == 1 ? 0.1 : std::sqrt(3.0 / fan_in);
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((2 * oracle_uniform(seed + k + 1, i) - 1) * scale);
  }
  return values;
}

inline void fill_oracle_params(Executor& executor, std::uint64_t seed = 0) {
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    executor.set_param(k, oracle_param(executor.param_info(k).shape, seed, k));
  }
  executor.params_updated();
}

// "image": 255 u - 127; "sym": in [-1, 1).
inline void fill_oracle_image(std::span<float> x, std::uint64_t base = 77) {
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(255 * oracle_uniform(base, i) - 127);
}
inline void fill_oracle_symmetric(std::span<float> x) {
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>((2 * oracle_uniform(77, i) - 1) * 1.0);
}
inline void fill_oracle_labels(std::span<float> labels, int classes) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<float>((i * 3) % static_cast<std::size_t>(classes));
}

}  // namespace fovea
