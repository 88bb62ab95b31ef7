// `fovea relevance average`, `gallery` and `evaluate` as processes, and the scales of pictures.
#include "data/image.h"
#include "engine/core/json_fields.h"
#include "tests/relevance/relevance_command.h"
#include "tests/support/browser.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

class RelevanceOfMany : public RelevanceCommand {
 protected:
  void SetUp() override {
    RelevanceCommand::SetUp();
    write_input();
    ASSERT_EQ(
        run({"net", "init", path("net.prototxt"), "--out", path("v.safetensors"), "--seed", "7"})
            .code,
        0);
  }
  // `fovea relevance NAME` on the three images.
  CommandResult many(const std::string& name, const std::string& weights,
                     std::vector<std::string> more) {
    std::vector<std::string> arguments = {"relevance", name,    "--net",   path("net.prototxt"),
                                          "--weights", weights, "--input", path("x.npy"),
                                          "--force"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  // Sum over images and channels of the maps of one model, by single walks.
  std::vector<double> sum_of_maps(const std::string& weights) {
    EXPECT_EQ(run({"relevance", "--net", path("net.prototxt"), "--weights", weights, "--input",
                   path("x.npy"), "--out", path("out"), "--force", "--raw", "--rule", "epsilon",
                   "--target", "1"})
                  .code,
              0);
    std::vector<double> sum(kSide * kSide);
    for (int n = 0; n < 3; ++n) {
      const Tensor<float> map = read_npy(path(str("out/", n, ".relevance.npy")));
      for (std::size_t i = 0; i < map.values.size(); ++i)
        sum[i % sum.size()] += double{map.values[i]};
    }
    return sum;
  }
};

TEST_F(RelevanceOfMany, AnAverageIsTheMeanOverImagesAndModels) {
  const std::string one = path("w.safetensors"), two = path("v.safetensors");
  const CommandResult result = many("average", one + "," + two,
                                    {"--rule", "epsilon", "--target", "1", "--raw", "--out",
                                     path("means"), "--batch", "2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["groups"][0]["maps"], 6);
  const Tensor<float> mean = read_npy(path("means/all.relevance.npy"));
  EXPECT_EQ(mean.shape, (Shape{kSide, kSide}));
  EXPECT_TRUE(fs::exists(path("means/all.heatmap.png")));
  std::vector<double> expected = sum_of_maps(one);
  const std::vector<double> second = sum_of_maps(two);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = (expected[i] + second[i]) / 6;
  EXPECT_TRUE(all_near(mean.values, std::vector<float>(expected.begin(), expected.end()),
                       1e-5 * largest_magnitude(mean.values)));
}

TEST_F(RelevanceOfMany, ADifferenceSubtractsTheOtherModelsMean) {
  const std::string one = path("w.safetensors"), two = path("v.safetensors");
  const auto average = [&](std::vector<std::string> more, const char* out) {
    more.insert(more.end(), {"--target", "2", "--raw", "--out", path(out)});
    const CommandResult result = many("average", one, more);
    EXPECT_EQ(result.code, 0) << result.err;
    return read_npy(path(out) + "/all.relevance.npy").values;
  };
  for (const float value : average({"--minus", one}, "same")) ASSERT_EQ(value, 0.F);
  const std::vector<float> mean = average({}, "mean"), less = average({"--minus", two}, "less");
  double difference = 0;
  for (std::size_t i = 0; i < mean.size(); ++i)
    difference += std::abs(double{mean[i]} - double{less[i]});
  EXPECT_GT(difference, 1e-3 * largest_magnitude(mean));
  // Every map weighs the same: no mean of two can exceed 1.
  double mass = 0;
  for (const float value : average({"--equal"}, "equal")) mass += std::abs(double{value});
  EXPECT_LE(mass, 1 + 1e-6);
  EXPECT_GT(mass, 0.01);
}

TEST_F(RelevanceOfMany, AnAverageForEachClassHasAllImages) {
  const CommandResult result = many("average", path("w.safetensors"),
                                    {"--by", "predicted", "--out", path("means"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  int maps = 0;
  const Json groups = Json::parse(result.out)["groups"];
  for (const Json& group : groups) {
    maps += group["maps"].get<int>();
    EXPECT_TRUE(fs::exists(path("means/" + group["name"].get<std::string>() + ".heatmap.png")));
  }
  EXPECT_EQ(maps, 3);
  expect_mistake(many("average", path("w.safetensors"), {"--by", "label", "--out", path("o")}),
                 {"no labels for --by label"});
  expect_mistake(many("average", path("w.safetensors"), {"--view", "a,b", "--out", path("o")}),
                 {"2 views for 1 models"});
  EXPECT_EQ(many("average", path("w.safetensors"), {}).code, 2);
}

TEST_F(RelevanceOfMany, OneScaleForTheBatchMakesItsMapsComparable) {
  const auto heatmaps = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--target", "1", "--raw"});
    EXPECT_EQ(explain(more).code, 0);
    std::vector<std::vector<std::uint8_t>> pixels;
    for (int n = 0; n < 3; ++n)
      pixels.push_back(read_image(path(str("out/", n, ".heatmap.png"))).pixels);
    return pixels;
  };
  const auto each = heatmaps({}), batch = heatmaps({"--normalize", "batch"});
  int equal = 0, largest_image = -1;
  float largest = 0;
  for (int n = 0; n < 3; ++n) {
    const Tensor<float> map = read_npy(path(str("out/", n, ".relevance.npy")));
    for (std::size_t i = 0; i < kSide * kSide; ++i) {
      const float value = std::abs(map.values[i] + map.values[i + kSide * kSide] +
                                   map.values[i + 2 * kSide * kSide]);
      if (value > largest) largest = value, largest_image = n;
    }
    equal += each[static_cast<std::size_t>(n)] == batch[static_cast<std::size_t>(n)];
  }
  EXPECT_EQ(equal, 1);
  const auto at = static_cast<std::size_t>(largest_image);
  EXPECT_EQ(each[at], batch[at]);
  EXPECT_EQ(heatmaps({"--limit-at", str(largest)}), heatmaps({"--normalize", "batch"}));
  EXPECT_EQ(heatmaps({"--normalize", "none"}), heatmaps({"--limit-at", "1"}));
}

TEST_F(RelevanceOfMany, AGalleryShowsEveryImageByEveryRule) {
  const CommandResult result =
      many("gallery", path("w.safetensors"),
           {"--rules", "study,epsilon", "--out", path("g.html"), "--memory", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string page = read_file(path("g.html"));
  EXPECT_GE(count_of(page, "data:image/png"),
            6U);  // arrays have no picture of their own: three images by two rules
  EXPECT_NE(page.find("epsilon"), std::string::npos);
  expect_mistake(
      many("gallery", path("w.safetensors"), {"--rules", "studie", "--out", path("h.html")}),
      {"studie"});
  EXPECT_FALSE(fs::exists(path("h.html")));
}

TEST_F(RelevanceOfMany, AnEvaluationHasARowForEachRuleAndForChance) {
  const CommandResult result = many("evaluate", path("w.safetensors"),
                                    {"--rules", "epsilon,edges,integrated-gradients", "--walks",
                                     "4", "--curve-steps", "4", "--out", path("e"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json rules = Json::parse(result.out)["rules"];
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules[3]["rule"], "random");
  EXPECT_TRUE(fs::exists(path("e/evaluation.json")));
  expect_mistake(many("evaluate", path("w.safetensors"), {"--measures", "localisation"}),
                 {"localisation"});
  expect_mistake(many("evaluate", path("w.safetensors"), {"--measures", "class,localization"}),
                 {"no --masks for --measures localization"});
  expect_mistake(many("evaluate", path("w.safetensors"), {"--target", "1,2"}),
                 {"2 targets for 3 images"});
}

}  // namespace
}  // namespace fovea
