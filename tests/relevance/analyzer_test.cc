// Whole walks: identities between rules, conservation layer by layer, starts and stops.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/relevance/analyzer.h"
#include "engine/relevance/repeat.h"
#include "tests/relevance/small_net.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// An analyzer with random weights that has seen a random image.
struct Walk {
  Analyzer analyzer;

  Walk(const Graph& graph, AnalyzerOptions options) : analyzer(graph, std::move(options)) {
    Executor& e = analyzer.executor();
    for (std::size_t k = 0; k < e.param_count(); ++k) {
      Tensor<float> values = random_tensor<float>(e.param_info(k).shape, 10 + k);
      const float scale = e.param_info(k).shape.rank() == 1 ? 0.1F : 0.5F;
      for (float& v : values.values) v *= scale;
      e.set_param(k, values.values);
    }
    analyzer.weights_changed();
    std::ranges::copy(random_tensor<float>(Shape{2, 3, 8, 8}, 1).values, e.input("data").data);
    analyzer.forward();
  }
  std::vector<float> map(const std::vector<int>& targets = {1, 3}) {
    analyzer.run(targets);
    return analyzer.input_relevance().values;
  }
  [[nodiscard]] double score(std::size_t n, int target) const {
    return static_cast<double>(analyzer.scores().view()(static_cast<std::int64_t>(n), target));
  }
};

Tensor<float> mean_image() { return Tensor<float>(Shape{3, 8, 8}, 128.0F); }

std::vector<float> map_of(const std::string& rule, bool bias = true, bool lrn = false) {
  return Walk(small_net(bias, lrn), {.composite = load_composite(rule), .mean = mean_image()})
      .map();
}

double image_sum(const std::vector<float>& map, std::size_t n) {
  const auto size = static_cast<std::ptrdiff_t>(map.size() / 2);
  return std::accumulate(map.begin() + static_cast<std::ptrdiff_t>(n) * size,
                         map.begin() + static_cast<std::ptrdiff_t>(n + 1) * size, 0.0);
}

TEST(Identity, Lrp0IsGradientTimesInputWhereUnitsAreLinearOrReLU) {
  // Average pooling passes by value, as its derivative times its input does, but for padding of its
  // window: none here.
  const std::vector<float> lrp = map_of("lrp-0"), gradient = map_of("gradient-x-input");
  EXPECT_TRUE(all_near(lrp, gradient, 1e-5 * largest_magnitude(gradient)));
}

TEST(Identity, ZPlusIsAlphaBetaWithBetaZero) {
  Walk alpha_beta(small_net(true, true),
                  {.composite = load_composite("alpha-beta", {.beta = 0.0F})});
  EXPECT_EQ(map_of("z-plus", true, true), alpha_beta.map());
}

TEST(Identity, GammaOfNothingIsLrp0AndOfMuchIsZPlus) {
  Walk none(small_net(false, false), {.composite = load_composite("gamma", {.gamma = 0.0F})});
  Walk much(small_net(false, false), {.composite = load_composite("gamma", {.gamma = 1e6F})});
  const std::vector<float> lrp0 = map_of("lrp-0", false), z_plus = map_of("z-plus", false);
  EXPECT_TRUE(all_near(none.map(), lrp0, 1e-4 * largest_magnitude(lrp0)));
  // The last layer's own sign decides there, so compare where the score is positive.
  for (std::size_t n = 0; n < 2; ++n) {
    if (none.score(n, n == 0 ? 1 : 3) <= 0) continue;
    const std::vector<float> map = much.map();
    const auto half = map.size() / 2;
    EXPECT_TRUE(all_near(std::span(map).subspan(n * half, half),
                         std::span(z_plus).subspan(n * half, half),
                         1e-4 * largest_magnitude(z_plus)));
  }
}

TEST(Identity, FlatDoesNotSeeWeightsOrInput) {
  AnalyzerOptions options;
  options.composite.rules = {{.rule = LinearRuleName::kFlat}};
  options.composite.max_pooling = MaxPoolingRule::kAverage;
  options.first = 12;  // fc3: only linear layers and pass-through ones
  const Graph graph = small_net(false, true);
  options.first = graph.find_node("fc3");
  Walk walk(graph, options);
  walk.analyzer.run(std::vector<int>{1, 3}, std::vector<float>{1, 1});
  const std::vector<float> before = walk.analyzer.input_relevance().values;
  Executor& e = walk.analyzer.executor();
  for (std::size_t k = 0; k < e.param_count(); ++k)
    e.set_param(k, random_tensor<float>(e.param_info(k).shape, 99 + k).values);
  walk.analyzer.weights_changed();
  std::ranges::copy(random_tensor<float>(Shape{2, 3, 8, 8}, 77).values, e.input("data").data);
  walk.analyzer.forward();
  walk.analyzer.run(std::vector<int>{1, 3}, std::vector<float>{1, 1});
  EXPECT_EQ(walk.analyzer.input_relevance().values, before);
  EXPECT_NEAR(image_sum(before, 0), 1, 1e-5);
}

// ---- conservation

class Conserving : public testing::TestWithParam<std::string> {};

TEST_P(Conserving, OfEveryLayerAndOfTheNetWithoutBias) {
  for (const bool bias : {false, true}) {
    Composite composite = load_composite(GetParam());
    composite.lrn = LrnRule::kTaylor;
    Walk walk(small_net(bias, true), {.composite = composite, .mean = mean_image()});
    const std::vector<float> map = walk.map();
    for (std::size_t n = 0; n < 2; ++n) {
      double absorbed = 0;
      for (const LayerRelevance& layer : walk.analyzer.layers()) {
        const double lost =
            layer.absorbed_bias[n] + layer.absorbed_epsilon[n] + layer.absorbed_padding[n];
        EXPECT_NEAR(layer.incoming[n], layer.sum[n] + lost,
                    2e-5 * (std::abs(layer.incoming[n]) + std::abs(lost) + std::abs(layer.sum[n])))
            << layer.name << " of image " << n;
        absorbed += lost;
        EXPECT_TRUE(bias || layer.absorbed_bias[n] == 0) << layer.name;
      }
      const double start = composite.start == StartRule::kOne ? 1 : walk.score(n, n == 0 ? 1 : 3);
      EXPECT_NEAR(image_sum(map, n) + absorbed, start,
                  1e-4 * (std::abs(start) + std::abs(absorbed)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, Conserving,
                         testing::Values("lrp-0", "epsilon", "epsilon-relative", "gamma",
                                         "alpha-beta", "z-plus", "z-box", "w-square", "flat",
                                         "study", "EpsilonPlus", "EpsilonPlusFlat",
                                         "EpsilonAlpha2Beta1", "EpsilonAlpha2Beta1Flat",
                                         "EpsilonGammaBox", "excitation-backprop"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Conservation, OfDistributedBiasesLosesOnlyWhatFallsOnPadding) {
  Composite composite = load_composite("lrp-0", {.bias = BiasRule::kDistribute});
  composite.lrn = LrnRule::kTaylor;
  Walk walk(small_net(true, true), {.composite = composite});
  (void)walk.map();
  bool any_padding = false;
  for (const LayerRelevance& layer : walk.analyzer.layers()) {
    // A distributed bias gives relevance to inactive units, which average pooling cannot pass on.
    if (layer.name == "pool2") continue;
    EXPECT_EQ(layer.absorbed_bias[0], 0);
    EXPECT_NEAR(layer.incoming[0],
                layer.sum[0] + layer.absorbed_padding[0] + layer.absorbed_epsilon[0],
                1e-4 * (std::abs(layer.incoming[0]) + std::abs(layer.absorbed_padding[0])))
        << layer.name;
    any_padding |= layer.absorbed_padding[0] != 0;
  }
  EXPECT_TRUE(any_padding);
}

// ---- starts and stops

TEST(Start, OfSeveralClassesIsTheSumOfTheirMapsAndOfADifferenceTheDifference) {
  Walk walk(small_net(true, true), {.composite = load_composite("alpha-beta")});
  const std::vector<float> one = walk.map({1, 1}), three = walk.map({3, 3});
  for (const float sign : {1.0F, -1.0F}) {
    walk.analyzer.run(std::vector<std::vector<StartUnit>>(
        2, std::vector<StartUnit>{{.unit = 1}, {.unit = 3, .weight = sign}}));
    std::vector<float> expected(one.size());
    for (std::size_t i = 0; i < one.size(); ++i) expected[i] = one[i] + sign * three[i];
    EXPECT_TRUE(all_near(walk.analyzer.input_relevance().values, expected,
                         1e-5 * largest_magnitude(one) + 1e-5 * largest_magnitude(three)));
  }
}

TEST(Start, FromGivenRelevanceIsTheSameWalk) {
  Walk walk(small_net(true, true), {.composite = load_composite("study")});
  const std::vector<float> expected = walk.map();
  Tensor<float> start(walk.analyzer.scores().shape);
  start.view()(0, 1) = static_cast<float>(walk.score(0, 1));
  start.view()(1, 3) = static_cast<float>(walk.score(1, 3));
  walk.analyzer.run_from(start.view());
  EXPECT_EQ(walk.analyzer.input_relevance().values, expected);
}

TEST(Start, AtAnInnerLayerContinuesWhatAWholeWalkLeftThere) {
  const Graph graph = small_net(true, true);
  const Composite composite = load_composite("study");
  Walk whole(graph, {.composite = composite, .keep_all = true});
  const std::vector<float> expected = whole.map();
  Walk lower(graph, {.composite = composite, .last = graph.find_node("conv1")});
  lower.analyzer.run_from(whole.analyzer.relevance_at(graph.find_node("relu1")).view());
  EXPECT_TRUE(all_near(lower.analyzer.input_relevance().values, expected,
                       1e-5 * largest_magnitude(expected)));
  Walk upper(graph, {.composite = composite, .first = graph.find_node("fc3")});
  EXPECT_EQ(upper.map(), whole.analyzer.relevance_at(graph.find_node("fc3")).values);
}

TEST(Start, AtAChannelPutsItsValuesAtEveryPosition) {
  const Graph graph = small_net(false, false);
  Walk walk(graph, {.composite = load_composite("lrp-0"), .last = graph.find_node("conv1")});
  const std::vector<float> map = walk.map({4, 5});
  const Tensor<float> z = walk.analyzer.scores();
  double expected = 0;
  for (std::int64_t h = 0; h < 8; ++h)
    for (std::int64_t w = 0; w < 8; ++w) expected += static_cast<double>(z.view()(0, 4, h, w));
  EXPECT_NEAR(image_sum(map, 0), expected, 1e-4 * std::abs(expected) + 1e-4);
}

TEST(Channels, OfDisjointChoicesAddUpToTheWholeMap) {
  const Graph graph = small_net(true, true);
  const int node = graph.find_node("right");
  std::vector<float> sum;
  for (int part = 0; part < 2; ++part) {
    ChannelChoice choice{.node = node, .channels = {}};
    for (int c = part; c < 32; c += 2) choice.channels.push_back(c);
    AnalyzerOptions options{.composite = load_composite("study")};
    options.channels = {choice};
    Walk walk(graph, options);
    const std::vector<float> map = walk.map();
    sum.resize(map.size());
    std::ranges::transform(sum, map, sum.begin(), std::plus<>());
  }
  // Both parts have the whole of the left branch, so it counts twice.
  AnalyzerOptions left{.composite = load_composite("study")};
  left.channels = {{.node = node, .channels = {}}};
  Walk without(graph, left), whole(graph, {.composite = load_composite("study")});
  std::vector<float> expected = whole.map();
  std::ranges::transform(expected, without.map(), expected.begin(), std::plus<>());
  EXPECT_TRUE(all_near(sum, expected, 1e-5 * largest_magnitude(expected)));
}

TEST(Walk, GivesTheSameMapWhateverIsKept) {
  const Graph graph = small_net(true, true);
  Walk few(graph, {.composite = load_composite("toolbox-100")}),
      all(graph, {.composite = load_composite("toolbox-100"), .keep_all = true});
  EXPECT_EQ(few.map(), all.map());
}

// ---- numerics

TEST(Warnings, NameTheLayerAndTheUnit) {
  const Graph graph = small_net(false, false);
  Walk walk(graph, {.composite = load_composite("lrp-0")});
  (void)walk.map();
  EXPECT_TRUE(walk.analyzer.warnings().empty());
  // fc4's class 1 from two units whose contributions cancel but for rounding.
  Executor& e = walk.analyzer.executor();
  const std::size_t k = e.param_count() - 1;
  const Tensor<float> y = e.blob("fc3");
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < 12; ++i)
    if (y.values[i] > 0) active.push_back(i);
  ASSERT_GE(active.size(), 2U);
  std::vector<float> w = e.param(k);
  std::fill(w.begin() + 12, w.begin() + 24, 0.0F);
  w[12 + active[0]] = 1 / y.values[active[0]];
  w[12 + active[1]] = -1.0000002F / y.values[active[1]];
  e.set_param(k, w);
  walk.analyzer.weights_changed();
  walk.analyzer.forward();
  walk.analyzer.run(std::vector<int>{1, -1}, std::vector<float>{1, 0});
  ASSERT_FALSE(walk.analyzer.warnings().empty());
  EXPECT_NE(walk.analyzer.warnings()[0].find("layer fc4: a denominator"), std::string::npos);
  EXPECT_NE(walk.analyzer.warnings()[0].find("unit 1 of its output"), std::string::npos);
  w[12] = std::numeric_limits<float>::quiet_NaN();
  e.set_param(k, w);
  walk.analyzer.weights_changed();
  walk.analyzer.forward();
  (void)walk.map({1, 1});
  const auto& lines = walk.analyzer.warnings();
  EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("layer fc4") != std::string::npos &&
           line.find("not finite") != std::string::npos;
  }));
}

// ---- repeated walks

Tensor<float> image_of(Walk& walk) {
  const TensorView<float> x = walk.analyzer.executor().input("data");
  return {x.shape, std::vector<float>(x.data, x.data + x.count())};
}

TEST(IntegratedGradients, AddUpToTheDifferenceOfTheScores) {
  Walk walk(small_net(true, false),
            {.composite = load_composite("integrated-gradients", {.steps = 1000})});
  const Tensor<float> image = image_of(walk);
  const double score = walk.score(0, 1);
  const std::vector<std::vector<StartUnit>> starts(2, std::vector<StartUnit>{{.unit = 1}});
  const std::vector<float> map = repeated_map(walk.analyzer, image, starts).values;
  std::fill_n(walk.analyzer.executor().input("data").data, image.values.size(), 0.0F);
  walk.analyzer.forward();
  // The derivative jumps where units switch on the way: the midpoint rule is off by half a step
  // times the jumps, which are of the size of the map.
  double magnitude = 0;
  for (std::size_t i = 0; i < map.size() / 2; ++i)
    magnitude += std::abs(static_cast<double>(map[i]));
  EXPECT_NEAR(image_sum(map, 0), score - walk.score(0, 1), magnitude / 1000);
}

TEST(SmoothGrad, WithoutNoiseIsTheGradientAndDoesNotDependOnTheBatch) {
  const std::vector<float> gradient = map_of("gradient", true, true);
  const std::vector<std::vector<StartUnit>> starts{{{.unit = 1}}, {{.unit = 3}}};
  Walk still(small_net(true, true),
             {.composite = load_composite("smoothgrad", {.steps = 3, .noise = 0.0F})});
  EXPECT_TRUE(all_near(repeated_map(still.analyzer, image_of(still), starts).values, gradient,
                       1e-6 * largest_magnitude(gradient)));
  const Composite noisy = load_composite("smoothgrad", {.steps = 3, .noise = 0.2F});
  Walk both(small_net(true, true), {.composite = noisy});
  const Tensor<float> images = image_of(both);
  const std::vector<float> together = repeated_map(both.analyzer, images, starts, 7).values;
  const auto half = static_cast<std::ptrdiff_t>(images.values.size() / 2);
  Tensor<float> second(Shape{1, 3, 8, 8});
  std::copy_n(images.values.begin() + half, half, second.values.begin());
  const std::vector<float> alone =
      repeated_map(both.analyzer, second, std::span(starts).subspan(1), 7, 1).values;
  EXPECT_TRUE(all_near(std::span<const float>(alone), std::span(together).subspan(alone.size()),
                       1e-6 * largest_magnitude(alone)));
  EXPECT_GT(std::abs(image_sum(together, 0) - image_sum(gradient, 0)), 1e-4);
}

}  // namespace
}  // namespace fovea
