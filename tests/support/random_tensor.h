// Random test data.
#pragma once

#include <numeric>

#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace fovea {

// Uniform in [-1, 1).
template <class T = double>
Tensor<T> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<T> tensor(shape);
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    tensor.values[i] = 2 * static_cast<T>(random_uniform({.seed = seed}, i)) - 1;
  }
  return tensor;
}

// Values at least 0.1 apart from each other and 0.05 from zero: no maximum or sign changes under
// small steps.
inline Tensor<double> separated_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<double> tensor(shape);
  std::iota(tensor.values.begin(), tensor.values.end(), -0.5 * static_cast<double>(shape.count()));
  for (double& value : tensor.values) value = 0.1 * value + 0.05;
  random_shuffle<double>({.seed = seed}, tensor.values);
  return tensor;
}

// `tensor` with every third value set to zero, as behind a ReLU or in a pruned layer.
template <class T>
Tensor<T> with_zeros(Tensor<T> tensor) {
  for (std::size_t i = 0; i < tensor.values.size(); i += 3) tensor.values[i] = 0;
  return tensor;
}

}  // namespace fovea
