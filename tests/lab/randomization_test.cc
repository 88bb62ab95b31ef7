#include "engine/relevance/lab/randomization.h"
#include "engine/core/json_fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "engine/graph/net_json.h"
#include "engine/relevance/lab/similarity.h"

namespace fovea::lab {
namespace {

constexpr const char* kNet = R"({
  "name": "Small", "input": {"name": "data", "shape": [2, 8, 9]},
  "layers": [
    {"name": "conv", "type": "convolution", "outputs": 5, "kernel": 3},
    {"name": "relu", "type": "relu"},
    {"name": "hidden", "type": "inner_product", "outputs": 7},
    {"name": "relu2", "type": "relu"},
    {"name": "scores", "type": "inner_product", "outputs": 3},
    {"name": "prob", "type": "softmax"}
  ]})";

std::vector<float> normals(std::size_t count, std::uint64_t seed, float scale = 1) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = scale * random_normal({.seed = seed}, i);
  return values;
}

// The net with fixed "trained" parameters, for `batch` images at once.
std::unique_ptr<Analyzer> make_analyzer(std::int64_t batch, const char* rule = "epsilon") {
  const NetOptions options{.phase = Phase::kDeploy, .batch = batch, .parameters = {}};
  auto analyzer =
      std::make_unique<Analyzer>(build_graph(json_net(Json::parse(kNet), options, "test")),
                                 AnalyzerOptions{.composite = load_composite(rule)});
  for (std::size_t k = 0; k < analyzer->executor().param_count(); ++k) {
    const auto count = static_cast<std::size_t>(analyzer->executor().param_info(k).shape.count());
    analyzer->executor().set_param(k, normals(count, 100 + k, 0.4F));
  }
  analyzer->weights_changed();
  return analyzer;
}

Tensor<float> random_images(std::int64_t count) {
  const Shape shape{count, 2, 8, 9};
  return {shape, normals(static_cast<std::size_t>(shape.count()), 7)};
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << "at " << i;
}

// Five images through batches of two (the last one half empty) and one by one.
TEST(Explainer, AnyNumberOfImagesGoesThroughABatch) {
  const auto two = make_analyzer(2), one = make_analyzer(1);
  const Tensor<float> images = random_images(5);
  const std::vector<int> targets{2, 0, 1, 1, 2};
  const Tensor<float> scores = scores_of(*two)(images.view());
  const Tensor<float> maps = maps_of(*two, ChannelFold::kSum)(images.view(), targets);
  ASSERT_EQ(scores.shape, (Shape{5, 3}));
  ASSERT_EQ(maps.shape, (Shape{5, 8, 9}));
  const TensorView<float> input = one->executor().input("data");
  for (std::int64_t n = 0; n < 5; ++n) {
    std::copy_n(images.values.begin() + n * 144, 144, input.data);
    one->forward();
    const std::vector<float> own(scores.values.begin() + n * 3, scores.values.begin() + n * 3 + 3);
    expect_near(own, one->scores().values, 1e-5F);
    one->run(std::vector<int>{targets[static_cast<std::size_t>(n)]});
    const Tensor<float> r = one->input_relevance();
    std::vector<float> map(72);
    for (std::size_t i = 0; i < 72; ++i) map[i] = r.values[i] + r.values[72 + i];
    expect_near({maps.values.begin() + n * 72, maps.values.begin() + n * 72 + 72}, map, 1e-5F);
  }
}

TEST(Explainer, ControlsDoNotLookAtTheClass) {
  const Tensor<float> images = random_images(3);
  for (const ExplainFunction& control : {random_maps(4), edge_maps()}) {
    const Tensor<float> a = control(images.view(), std::vector<int>{0, 1, 2});
    EXPECT_EQ(a.values, control(images.view(), std::vector<int>{2, 2, 2}).values);
    EXPECT_EQ(a.shape, (Shape{3, 8, 9}));
    const std::vector<float> first(a.values.begin(), a.values.begin() + 72);
    EXPECT_NE(first, std::vector<float>(a.values.begin() + 72, a.values.begin() + 144));
  }
  EXPECT_NE(random_maps(4)(images.view(), {}).values, random_maps(5)(images.view(), {}).values);
}

// A ramp has the gradient's length everywhere but at the repeated edges, where it is half.
TEST(Explainer, EdgesOfARamp) {
  Tensor<float> image(Shape{1, 1, 4, 5});
  for (std::size_t i = 0; i < 20; ++i) image.values[i] = 3.0F * static_cast<float>(i % 5);
  const Tensor<float> map = edge_maps()(image.view(), {});
  for (std::size_t i = 0; i < 20; ++i)
    EXPECT_FLOAT_EQ(map.values[i], i % 5 == 0 || i % 5 == 4 ? 12.0F : 24.0F);
}

// The redrawn parameters put into a second net by hand, layer after layer.
TEST(Randomization, EqualsNetsRandomisedByHand) {
  constexpr std::uint64_t kSeed = 11;
  const Tensor<float> images = random_images(4);
  const std::vector<int> targets{0, 1, 2, 0};
  for (const Randomization kind : {Randomization::kCascading, Randomization::kIndependent}) {
    const auto analyzer = make_analyzer(4);
    const ExplainFunction explain = maps_of(*analyzer, ChannelFold::kSum);
    const Tensor<float> trained = explain(images.view(), targets);
    const auto layers =
        randomize_parameters(*analyzer, explain, images.view(), targets, kind, kSeed);
    ASSERT_EQ(layers.size(), 3U);
    EXPECT_EQ(layers[0].layer, "scores");
    EXPECT_EQ(layers[2].layer, "conv");
    for (std::size_t depth = 0; depth < 3; ++depth) {
      const auto by_hand = make_analyzer(4);
      for (std::size_t k = 0; k < 6; ++k) {  // conv, hidden, scores: weight and bias each
        const std::size_t from_the_end = 2 - k / 2;
        if (kind == Randomization::kCascading ? from_the_end > depth : from_the_end != depth)
          continue;
        const std::vector<float> old = by_hand->executor().param(k);
        double sum = 0, squares = 0;
        for (const float w : old) sum += double{w}, squares += double{w} * double{w};
        const auto count = static_cast<double>(old.size());
        const double mean = sum / count, deviation = std::sqrt(squares / count - mean * mean);
        std::vector<float> fresh(old.size());
        for (std::size_t i = 0; i < fresh.size(); ++i) {
          const RandomKey key{kSeed, RandomPurpose::kAttribution, (std::uint64_t{1} << 34) + k};
          fresh[i] = static_cast<float>(mean + deviation * double{random_normal(key, i)});
        }
        by_hand->executor().set_param(k, fresh);
      }
      by_hand->weights_changed();
      const Tensor<float> maps = maps_of(*by_hand, ChannelFold::kSum)(images.view(), targets);
      double ranks = 0, structure = 0;
      for (std::size_t n = 0; n < 4; ++n) {
        const std::span a = std::span(trained.values).subspan(n * 72, 72);
        const std::span b = std::span(maps.values).subspan(n * 72, 72);
        ranks += rank_correlation(a, b) / 4, structure += structural_similarity(a, b, 9) / 4;
      }
      // Rounding of the redrawn weights may exchange two neighbouring ranks of the 72.
      EXPECT_NEAR(layers[depth].similarity.rank_correlation, ranks, 1e-3);
      EXPECT_NEAR(layers[depth].similarity.structural_similarity, structure, 1e-4);
      EXPECT_LT(layers[depth].similarity.rank_correlation, 0.9);
    }
    // The trained net is back.
    EXPECT_EQ(explain(images.view(), targets).values, trained.values);
  }
}

TEST(Randomization, AMapThatDoesNotLookAtTheNetStaysTheSame) {
  const auto analyzer = make_analyzer(3);
  const Tensor<float> images = random_images(3);
  const std::vector<int> targets{0, 1, 2};
  for (const auto& layer : randomize_parameters(*analyzer, edge_maps(), images.view(), targets,
                                                Randomization::kCascading, 1)) {
    EXPECT_NEAR(layer.similarity.rank_correlation, 1, 1e-12);
    EXPECT_NEAR(layer.similarity.structural_similarity, 1, 1e-12);
  }
}

TEST(RandomLogit, ComparesWithAnotherClass) {
  const auto analyzer = make_analyzer(6);
  const ExplainFunction explain = maps_of(*analyzer, ChannelFold::kSum);
  const Tensor<float> images = random_images(6);
  const std::vector<int> targets{0, 1, 0, 1, 1, 0};
  std::vector<int> asked;
  const ExplainFunction spy = [&](TensorView<const float> x, std::span<const int> classes) {
    asked.assign(classes.begin(), classes.end());
    return explain(x, classes);
  };
  // Of two classes the other one is certain.
  const MapSimilarity two = random_logit(spy, images.view(), targets, 2, 5);
  EXPECT_EQ(asked, (std::vector<int>{1, 0, 1, 0, 0, 1}));
  const Tensor<float> own = explain(images.view(), targets), other = explain(images.view(), asked);
  EXPECT_NEAR(two.rank_correlation, similarity(own.view(), other.view()).rank_correlation, 1e-12);
  (void)random_logit(spy, images.view(), targets, 3, 5);
  for (std::size_t n = 0; n < 6; ++n) {
    EXPECT_NE(asked[n], targets[n]);
    EXPECT_TRUE(asked[n] >= 0 && asked[n] < 3);
  }
  EXPECT_THROW((void)random_logit(spy, images.view(), targets, 1, 5), Error);
  EXPECT_NEAR(random_logit(edge_maps(), images.view(), targets, 3, 5).rank_correlation, 1, 1e-12);
}

}  // namespace
}  // namespace fovea::lab
