#include "engine/relevance/lab/perturbation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/relevance/lab/baseline.h"

namespace fovea::lab {
namespace {

Tensor<float> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<float> t(shape);
  for (std::size_t i = 0; i < t.values.size(); ++i) t.values[i] = random_normal({.seed = seed}, i);
  return t;
}

// Three classes, each a fixed weight per value.
struct LinearNet {
  Tensor<float> weights;
  explicit LinearNet(const Shape& image, std::uint64_t seed = 1)
      : weights(random_tensor({3, image.count_from(1)}, seed)) {}
  [[nodiscard]] double score(const float* image, std::size_t k) const {
    const auto size = static_cast<std::size_t>(weights.shape[1]);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i)
      sum += double{weights.values[k * size + i]} * double{image[i]};
    return sum;
  }
  Tensor<float> operator()(TensorView<const float> images) const {
    Tensor<float> scores(Shape{images.shape.n(), 3});
    for (std::int64_t n = 0; n < images.shape.n(); ++n)
      for (std::size_t k = 0; k < 3; ++k)
        scores.values[static_cast<std::size_t>(n) * 3 + k] =
            static_cast<float>(score(images.data + n * images.shape.count_from(1), k));
    return scores;
  }
};

struct SlowPoint {
  double score = 0, probability = 0, accuracy = 0;
};

// Step `step` from its definition: every image is built anew from the original, pixel by pixel.
SlowPoint slow_point(const LinearNet& net, const Tensor<float>& images, const Tensor<float>& base,
                     const Tensor<float>& maps, const std::vector<int>& targets,
                     const PerturbationOptions& options, int step) {
  const std::int64_t h = images.shape.h(), w = images.shape.w(), channels = images.shape.c();
  const std::int64_t across = (w + options.region - 1) / options.region;
  const auto tile_of = [&](std::int64_t y, std::int64_t x) {
    return y / options.region * across + x / options.region;
  };
  const std::int64_t tiles = tile_of(h - 1, w - 1) + 1;
  SlowPoint mean;
  for (std::int64_t n = 0; n < images.shape.n(); ++n) {
    std::vector<std::pair<double, std::int64_t>> ranked;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      double sum = 0;
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          if (tile_of(y, x) == tile) sum += double{maps.values[(n * h + y) * w + x]};
      const bool most = options.order == PerturbationOrder::kMostRelevantFirst;
      ranked.emplace_back(most ? -sum : sum, tile);
    }
    std::ranges::sort(ranked);
    const auto gone = std::llround(double{options.share} * step / options.steps * double(tiles));
    std::vector<float> image;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x) {
          const auto end = ranked.begin() + gone;
          const bool replaced = std::find_if(ranked.begin(), end, [&](auto& r) {
                                  return r.second == tile_of(y, x);
                                }) != end;
          image.push_back((replaced ? base : images).values[((n * channels + c) * h + y) * w + x]);
        }
    double sum = 0;
    std::array<double, 3> s{};
    for (std::size_t k = 0; k < 3; ++k)
      s[k] = double{static_cast<float>(net.score(image.data(), k))};
    for (const double v : s) sum += std::exp(v);
    const double own = s[static_cast<std::size_t>(targets[static_cast<std::size_t>(n)])];
    mean.score += own, mean.probability += std::exp(own) / sum;
    mean.accuracy += own == *std::ranges::max_element(s) ? 1 : 0;
  }
  const auto count = static_cast<double>(images.shape.n());
  return {mean.score / count, mean.probability / count, mean.accuracy / count};
}

struct Case {
  const char* reason;
  Shape images;
  PerturbationOptions options;
};

TEST(Perturbation, EqualsItsDefinitionStepByStep) {
  using enum PerturbationOrder;
  const Case cases[]{
      {"pixel flipping", {3, 2, 5, 4}, {.region = 1, .steps = 7}},
      {"tiles cut off at both edges", {2, 3, 7, 8}, {.region = 3, .steps = 4}},
      {"least relevant first",
       {2, 3, 7, 8},
       {.region = 2, .steps = 5, .order = kLeastRelevantFirst}},
      {"a part of the tiles", {2, 1, 6, 6}, {.region = 2, .steps = 3, .share = 0.5F}},
      {"more steps than tiles", {1, 1, 4, 4}, {.region = 2, .steps = 11}},
      {"one tile", {2, 1, 3, 3}, {.region = 8, .steps = 2}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    const LinearNet net(c.images);
    const Tensor<float> images = random_tensor(c.images, 2), base = random_tensor(c.images, 3);
    const Tensor<float> maps = random_tensor({c.images.n(), c.images.h(), c.images.w()}, 4);
    const std::vector<int> targets = [&] {
      std::vector<int> t;
      for (int n = 0; n < c.images.n(); ++n) t.push_back((n + 1) % 3);
      return t;
    }();
    const PerturbationCurve curve =
        perturb(net, images.view(), base.view(), maps.view(), targets, c.options);
    ASSERT_EQ(std::ssize(curve.score), c.options.steps + 1);
    double sum = 0;
    for (int k = 0; k <= c.options.steps; ++k) {
      const SlowPoint slow = slow_point(net, images, base, maps, targets, c.options, k);
      const auto at = static_cast<std::size_t>(k);
      EXPECT_NEAR(curve.score[at], slow.score, 1e-12);
      EXPECT_NEAR(curve.probability[at], slow.probability, 1e-12);
      EXPECT_EQ(curve.accuracy[at], slow.accuracy);
      sum += curve.probability[0] - slow.probability;
    }
    EXPECT_NEAR(curve.aopc_probability(), sum / (c.options.steps + 1), 1e-12);
  }
}

// For a linear score, relevance w x and baseline 0, what is left of the score is the relevance that
// is left; no order takes the score down faster than the most relevant first.
TEST(Perturbation, LinearScoreLosesTheRelevanceThatIsRemoved) {
  const Shape shape{1, 1, 6, 6};
  const LinearNet net(shape);
  const Tensor<float> image = random_tensor(shape, 5), zeros(shape);
  Tensor<float> map(Shape{1, 6, 6});
  for (std::size_t i = 0; i < 36; ++i) map.values[i] = net.weights.values[36 + i] * image.values[i];
  std::vector<double> sorted(map.values.begin(), map.values.end());
  std::ranges::sort(sorted, std::greater<>());
  const auto run = [&](PerturbationOrder order) {
    return perturb(net, image.view(), zeros.view(), map.view(), std::vector<int>{1},
                   {.region = 1, .steps = 36, .order = order, .seed = 9});
  };
  const auto morf = run(PerturbationOrder::kMostRelevantFirst);
  double left = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  for (std::size_t k = 0; k <= 36; ++k) {
    EXPECT_NEAR(morf.score[k], left, 1e-5);
    if (k < 36) left -= sorted[k];
  }
  const auto lerf = run(PerturbationOrder::kLeastRelevantFirst),
             random = run(PerturbationOrder::kRandom);
  for (std::size_t k = 0; k <= 36; ++k) {
    EXPECT_LE(morf.score[k], random.score[k] + 1e-5);
    EXPECT_GE(lerf.score[k], random.score[k] - 1e-5);
  }
}

TEST(Perturbation, RandomOrderIsAPermutationOfItsSeed) {
  const Tensor<float> map(Shape{6, 9}, 1.0F);
  const PerturbationOptions options{.region = 2, .order = PerturbationOrder::kRandom, .seed = 3};
  auto order = perturbation_order(map.view(), options, 0);
  EXPECT_EQ(order, perturbation_order(map.view(), options, 0));
  EXPECT_NE(order, perturbation_order(map.view(), options, 1));
  std::ranges::sort(order);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
  EXPECT_EQ(order.size(), 15U);
}

TEST(Perturbation, WrongOptionsAreErrors) {
  const Tensor<float> image(Shape{1, 1, 2, 2}), map(Shape{1, 2, 2});
  const LinearNet net(image.shape);
  for (const PerturbationOptions& options :
       {PerturbationOptions{.region = 0}, {.steps = 0}, {.share = 0}, {.share = 1.5F}}) {
    EXPECT_THROW(
        (void)perturb(net, image.view(), image.view(), map.view(), std::vector<int>{0}, options),
        Error);
  }
}

TEST(Baseline, KindsFollowTheirDefinitions) {
  const Shape shape{2, 2, 5, 8};
  const Tensor<float> images = random_tensor(shape, 6);
  InputUnits units{.mean = random_tensor({2, 5, 8}, 7), .scale = 0.5F};
  const auto at = [&](const Tensor<float>& t, std::int64_t n, std::int64_t c, std::int64_t y,
                      std::int64_t x) {
    return double{t.values[static_cast<std::size_t>(((n * 2 + c) * 5 + y) * 8 + x)]};
  };
  const auto mean = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    return at(units.mean, 0, c, y, x);
  };
  const auto pixel = [&](std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
    return at(images, n, c, y, x) * 2 + mean(c, y, x);
  };
  const auto made = [&](Baseline kind) { return baselines(images.view(), kind, units, 1); };
  EXPECT_EQ(made(Baseline::kMean).values, std::vector<float>(160));
  const Tensor<float> black = made(Baseline::kBlack), flat = made(Baseline::kImageMean),
                      blur = made(Baseline::kBlur), noise = made(Baseline::kNoise);
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 2; ++c) {
      double sum = 0;
      for (std::int64_t i = 0; i < 40; ++i) sum += pixel(n, c, i / 8, i % 8);
      for (std::int64_t y = 0; y < 5; ++y) {
        for (std::int64_t x = 0; x < 8; ++x) {
          EXPECT_NEAR(at(black, n, c, y, x), -mean(c, y, x) * 0.5, 1e-6);
          EXPECT_NEAR(at(flat, n, c, y, x), (sum / 40 - mean(c, y, x)) * 0.5, 1e-6);
          const double p = at(noise, n, c, y, x) * 2 + mean(c, y, x);
          EXPECT_TRUE(p > -1e-4 && p < 255.0001) << p;
          // sigma = 8 / 16; three sigmas are two pixels. Both axes at once.
          double blurred = 0, total = 0;
          for (std::int64_t v = y - 2; v <= y + 2; ++v) {
            for (std::int64_t u = x - 2; u <= x + 2; ++u) {
              const double weight = std::exp(-double((v - y) * (v - y) + (u - x) * (u - x)) / 0.5);
              blurred += weight * pixel(n, c, std::clamp<std::int64_t>(v, 0, 4),
                                        std::clamp<std::int64_t>(u, 0, 7));
              total += weight;
            }
          }
          EXPECT_NEAR(at(blur, n, c, y, x), (blurred / total - mean(c, y, x)) * 0.5, 2e-6);
        }
      }
    }
  }
  EXPECT_NE(std::vector<float>(noise.values.begin(), noise.values.begin() + 80),
            std::vector<float>(noise.values.begin() + 80, noise.values.end()));
}

}  // namespace
}  // namespace fovea::lab
