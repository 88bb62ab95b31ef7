#include "engine/relevance/repeat.h"

#include <algorithm>

#include "engine/core/random.h"

namespace fovea {
namespace {

// Input of step `step` made from image x.
void make_input(const RepeatRule& rule, std::span<const float> x, int step, RandomKey noise,
                float* input) {
  switch (rule.kind) {
    case RepeatKind::kOnce:
      std::ranges::copy(x, input);
      return;
    case RepeatKind::kIntegratedGradients: {
      const float along = (static_cast<float>(step) + 0.5F) / static_cast<float>(rule.steps);
      std::ranges::transform(x, input, [&](float value) { return along * value; });
      return;
    }
    case RepeatKind::kSmoothGrad: {
      const auto [least, most] = std::ranges::minmax(x);
      const float deviation = rule.noise * (most - least);
      for (std::size_t i = 0; i < x.size(); ++i)
        input[i] = x[i] + deviation * random_normal(noise, i);
      return;
    }
  }
}

}  // namespace

Tensor<float> repeated_map(Analyzer& analyzer, const Tensor<float>& images,
                           std::span<const std::vector<StartUnit>> starts, std::uint64_t seed,
                           std::uint64_t first_image) {
  const RepeatRule& rule = analyzer.composite().repeat;
  const int steps = rule.kind == RepeatKind::kOnce ? 1 : rule.steps;
  const Graph& graph = analyzer.executor().graph();
  const TensorView<float> input =
      analyzer.executor().input(graph.tensors[static_cast<std::size_t>(graph.inputs[0])].blob);
  const std::int64_t slots = input.shape.n(), size = input.shape.count_from(1);
  const std::int64_t walks = images.shape.n() * steps;
  std::vector<double> sums(images.values.size());
  Tensor<float> map;
  for (std::int64_t first = 0; first < walks; first += slots) {
    std::fill_n(input.data, input.count(), 0.0F);
    std::vector<std::vector<StartUnit>> of_slot(static_cast<std::size_t>(slots));
    const std::int64_t count = std::min(slots, walks - first);
    for (std::int64_t slot = 0; slot < count; ++slot) {
      const auto n = static_cast<std::size_t>((first + slot) / steps);
      const auto step = static_cast<int>((first + slot) % steps);
      const RandomKey noise{seed, RandomPurpose::kSmoothGrad,
                            (first_image + n) * 65536 + static_cast<std::uint64_t>(step)};
      make_input(rule,
                 std::span(images.values)
                     .subspan(n * static_cast<std::size_t>(size), static_cast<std::size_t>(size)),
                 step, noise, input.data + slot * size);
      of_slot[static_cast<std::size_t>(slot)] = starts[n];
    }
    analyzer.forward();
    analyzer.run(of_slot);
    map = analyzer.input_relevance();
    expects(map.shape.count_from(1) == size, "walks down to the net's input");
    for (std::int64_t slot = 0; slot < count; ++slot) {
      double* sum = sums.data() + (first + slot) / steps * size;
      const float* from = map.values.data() + slot * size;
      for (std::int64_t i = 0; i < size; ++i) sum[i] += static_cast<double>(from[i]);
    }
  }
  Tensor<float> mean(images.shape);
  const bool times_input = rule.kind == RepeatKind::kIntegratedGradients;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double factor = times_input ? static_cast<double>(images.values[i]) : 1;
    mean.values[i] = static_cast<float>(factor * sums[i] / steps);
  }
  return mean;
}

}  // namespace fovea
