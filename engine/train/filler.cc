#include "engine/train/filler.h"

#include <cmath>

#include "engine/core/random.h"

namespace fovea {

void fill(const Filler& filler, const Shape& shape, std::uint64_t seed, std::uint64_t blob,
          std::span<float> values) {
  const RandomKey key{.seed = seed, .purpose = RandomPurpose::kFiller, .iteration = blob};
  const auto fan_in = static_cast<float>(shape.rank() > 0 ? shape.count() / shape[0] : 1);
  const auto each = [&](auto&& value) {
    const auto count = static_cast<std::int64_t>(values.size());
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < count; ++i)
      values[static_cast<std::size_t>(i)] = value(static_cast<std::uint64_t>(i));
  };
  const auto uniform = [&](float low, float high) {
    each([=](std::uint64_t i) { return low + (high - low) * random_uniform(key, i); });
  };
  const auto gaussian = [&](float mean, float deviation) {
    each([=](std::uint64_t i) { return mean + deviation * random_normal(key, i); });
  };
  switch (filler.type) {
    case FillerType::kConstant:
      return each([&](std::uint64_t) { return filler.value; });
    case FillerType::kUniform:
      return uniform(filler.min, filler.max);
    case FillerType::kGaussian:
      return gaussian(filler.mean, filler.std);
    case FillerType::kXavier:
      return uniform(-std::sqrt(3 / fan_in), std::sqrt(3 / fan_in));
    case FillerType::kMsra:
      return gaussian(0, std::sqrt(2 / fan_in));
  }
}

void fill_params(Executor& executor, std::uint64_t seed) {
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    const ParamInfo& info = executor.param_info(k);
    std::vector<float> values(static_cast<std::size_t>(info.shape.count()));
    fill(info.filler, info.shape, seed, k, values);
    executor.set_param(k, values);
  }
  executor.params_updated();
}

}  // namespace fovea
