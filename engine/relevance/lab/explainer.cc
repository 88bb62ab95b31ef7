#include "engine/relevance/lab/explainer.h"

#include <algorithm>
#include <cmath>

#include "engine/relevance/repeat.h"

namespace fovea::lab {
namespace {

// Calls use(first, count) with images first .. first + count - 1 in the analyzer's input.
void for_batches(Analyzer& analyzer, TensorView<const float> images, auto&& use) {
  Executor& executor = analyzer.executor();
  const TensorView<float> input = executor.input(executor.graph().tensors[0].blob);
  const std::int64_t size = input.shape.count_from(1);
  expects(images.shape.count_from(1) == size, "images of the net's shape");
  for (std::int64_t first = 0; first < images.shape.n(); first += input.shape.n()) {
    const std::int64_t count = std::min(input.shape.n(), images.shape.n() - first);
    std::copy_n(images.data + first * size, count * size, input.data);
    std::fill(input.data + count * size, input.data + input.count(), 0.0F);
    use(first, count);
  }
}

// Relevance of images first, first + 1, ..., which lie in the analyzer's input: one per target.
Tensor<float> walk(Analyzer& analyzer, TensorView<const float> images, std::int64_t first,
                   std::span<const int> targets, std::uint64_t seed) {
  if (analyzer.composite().repeat.kind != RepeatKind::kOnce) {
    Shape shape = images.shape;
    shape[0] = std::ssize(targets);
    const float* from = images.data + first * shape.count_from(1);
    std::vector<std::vector<StartUnit>> starts;
    for (const int target : targets) starts.push_back({{target, 1}});
    return repeated_map(analyzer, Tensor<float>(shape, {from, from + shape.count()}), starts, seed,
                        static_cast<std::uint64_t>(first));
  }
  analyzer.forward();
  std::vector<int> batch(static_cast<std::size_t>(analyzer.scores().shape.n()), -1);
  std::ranges::copy(targets, batch.begin());
  analyzer.run(batch);
  return analyzer.input_relevance();
}

Tensor<float> edges(TensorView<const float> image) {
  const std::int64_t channels = image.shape[0], height = image.shape[1], width = image.shape[2];
  const auto at = [&](std::int64_t y, std::int64_t x) {
    y = std::clamp<std::int64_t>(y, 0, height - 1), x = std::clamp<std::int64_t>(x, 0, width - 1);
    float sum = 0;
    for (std::int64_t c = 0; c < channels; ++c) sum += image[(c * height + y) * width + x];
    return sum / static_cast<float>(channels);
  };
  Tensor<float> map(Shape{height, width});
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      float gx = 0, gy = 0;
      for (std::int64_t d = -1; d <= 1; ++d) {
        const float weight = d == 0 ? 2 : 1;
        gx += weight * (at(y + d, x + 1) - at(y + d, x - 1));
        gy += weight * (at(y + 1, x + d) - at(y - 1, x + d));
      }
      map.values[static_cast<std::size_t>(y * width + x)] = std::hypot(gx, gy);
    }
  }
  return map;
}

}  // namespace

ScoreFunction scores_of(Analyzer& analyzer) {
  return [&analyzer](TensorView<const float> images) {
    Tensor<float> result;
    for_batches(analyzer, images, [&](std::int64_t first, std::int64_t count) {
      analyzer.forward();
      const Tensor<float> scores = analyzer.scores();
      const std::int64_t classes = scores.shape.c();
      if (first == 0) result = Tensor<float>(Shape{images.shape.n(), classes});
      std::copy_n(scores.values.begin(), count * classes, result.values.begin() + first * classes);
    });
    return result;
  };
}

ExplainFunction maps_of(Analyzer& analyzer, ChannelFold channels, std::uint64_t seed) {
  return [&analyzer, channels, seed](TensorView<const float> images, std::span<const int> targets) {
    Tensor<float> result;
    for_batches(analyzer, images, [&](std::int64_t first, std::int64_t count) {
      const Tensor<float> relevance = walk(
          analyzer, images, first,
          targets.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), seed);
      const Shape one{relevance.shape.c(), relevance.shape.h(), relevance.shape.w()};
      if (first == 0) result = Tensor<float>(Shape{images.shape.n(), one[1], one[2]});
      for (std::int64_t n = 0; n < count; ++n) {
        const Tensor<float> map =
            pixel_map({relevance.values.data() + n * one.count(), one}, channels);
        std::ranges::copy(map.values, result.values.begin() + (first + n) * map.shape.count());
      }
    });
    return result;
  };
}

ExplainFunction random_maps(std::uint64_t seed) {
  return [seed](TensorView<const float> images, std::span<const int>) {
    Tensor<float> maps(Shape{images.shape.n(), images.shape.h(), images.shape.w()});
    const auto area = static_cast<std::size_t>(images.shape.h() * images.shape.w());
    for (std::size_t i = 0; i < maps.values.size(); ++i) {
      const RandomKey key{seed, RandomPurpose::kAttribution, (std::uint64_t{1} << 33) + i / area};
      maps.values[i] = random_normal(key, i % area);
    }
    return maps;
  };
}

ExplainFunction edge_maps() {
  return [](TensorView<const float> images, std::span<const int>) {
    const Shape one{images.shape.c(), images.shape.h(), images.shape.w()};
    Tensor<float> maps(Shape{images.shape.n(), one[1], one[2]});
    for (std::int64_t n = 0; n < images.shape.n(); ++n) {
      const Tensor<float> map = edges({images.data + n * one.count(), one});
      std::ranges::copy(map.values, maps.values.begin() + n * map.shape.count());
    }
    return maps;
  };
}

}  // namespace fovea::lab
