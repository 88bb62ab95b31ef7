// `fovea relevance` as a process: results and user mistakes.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "data/image.h"
#include "data/mean.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "tests/relevance/relevance_command.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

TEST_F(RelevanceCommand, WritesMapsAndATableThatAddsUp) {
  write_input();
  const CommandResult result = explain({"--rule", "epsilon", "--raw", "--json", "--target",
                                        "1-4,top3,2", "--layers", "all", "--beta", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("--beta is not used"), std::string::npos);
  const Json images = Json::parse(result.out)["images"];
  ASSERT_EQ(images.size(), 3U);
  EXPECT_EQ(images[0]["targets"].size(), 2U);
  EXPECT_EQ(images[0]["targets"][1]["weight"], -1);
  EXPECT_EQ(images[1]["targets"].size(), 3U);
  EXPECT_EQ(images[2]["target"], 2);
  for (std::size_t n = 0; n < 3; ++n) {
    const Tensor<float> map = read_npy(path(str("out/", n, ".relevance.npy")));
    EXPECT_EQ(map.shape, (Shape{3, kSide, kSide}));
    double sum = 0;
    for (const float v : map.values) sum += static_cast<double>(v);
    const double claimed = images[n]["relevance_sum"].get<double>();
    EXPECT_NEAR(sum, claimed, 1e-3 * std::abs(claimed) + 1e-4);
    EXPECT_EQ(read_npy(path(str("out/", n, ".0.conv1.relevance.npy"))).values, map.values);
    EXPECT_TRUE(fs::exists(path(str("out/", n, ".heatmap.png"))));
    const double start = images[n]["layers"][0]["incoming"].get<double>();
    EXPECT_NEAR(start, images[n]["score"].get<double>(), 1e-4 * std::abs(start) + 1e-5);
  }
}

TEST_F(RelevanceCommand, GivesTheSameMapsWhateverTheBatchAndTheMemory) {
  write_input();
  ASSERT_EQ(explain({"--raw", "--batch", "3"}).code, 0);
  const Tensor<float> together = read_npy(path("out/2.relevance.npy"));
  ASSERT_EQ(explain({"--raw", "--batch", "2"}).code, 0);
  EXPECT_TRUE(all_near(read_npy(path("out/2.relevance.npy")).values, together.values,
                       1e-6 * largest_magnitude(together.values)));
  const CommandResult budget = explain({"--raw", "--memory", "1"});
  ASSERT_EQ(budget.code, 0) << budget.err;
  EXPECT_NE(budget.err.find("within 1 MB"), std::string::npos);
}

TEST_F(RelevanceCommand, VerifiesEveryStep) {
  write_input();
  const CommandResult result = explain({"--verify", "--rule", "EpsilonPlus"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("norm1"), std::string::npos);
  EXPECT_EQ(result.out.find("  off"), std::string::npos);
}

TEST_F(RelevanceCommand, VerifiesWithAMeanImage) {
  write_input();
  write_mean(folder_ / "mean.binaryproto", Tensor<float>(Shape{3, kSide, kSide}, 100).view(), true);
  for (const char* rule : {"study", "z-box"}) {
    const CommandResult result =
        explain({"--verify", "--rule", rule, "--mean", path("mean.binaryproto")});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out.find("  off"), std::string::npos) << result.out;
  }
}

TEST_F(RelevanceCommand, WritesNothingOfAnImageThatFailsItsVerification) {
  Tensor<float> x = random_tensor<float>(Shape{1, 3, kSide, kSide}, 1);
  x.values[0] = std::numeric_limits<float>::quiet_NaN();
  write_npy(path("x.npy"), x.view());
  const CommandResult result = explain({"--verify"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.out.find("  off"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(path("out")));
}

// Also where the map is not the walk's relevance as it is.
TEST_F(RelevanceCommand, TheSumIsThatOfTheMap) {
  write_input();
  for (const char* rule : {"gradient-x-input", "sensitivity", "epsilon"}) {
    const CommandResult result = explain({"--rule", rule, "--raw", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    double sum = 0;
    for (const float v : read_npy(path("out/0.relevance.npy")).values)
      sum += static_cast<double>(v);
    EXPECT_EQ(Json::parse(result.out)["images"][0]["relevance_sum"], sum) << rule;
  }
}

TEST_F(RelevanceCommand, VerifiesAndExplainsAsJson) {
  write_input();
  const CommandResult verified = explain({"--verify", "--json"});
  ASSERT_EQ(verified.code, 0) << verified.err;
  const Json layers = Json::parse(verified.out)["images"][0]["verification"];
  EXPECT_EQ(layers.back()["name"], "conv1");
  EXPECT_EQ(layers.back()["off"], false);
  EXPECT_NE(verified.err.find("device cpu, fp32"), std::string::npos);
  const CommandResult explained = explain({"--explain", "--json"});
  EXPECT_GE(Json::parse(explained.out)["explanation"].size(), 4U);
}

// The window of a mean image is the net's, whatever its shape.
TEST_F(RelevanceCommand, TakesAMeanThatIsLargeEnough) {
  std::string net = read_file(path("net.prototxt"));
  net.replace(net.find("input_dim: 12 input_dim: 12"), 27, "input_dim: 12 input_dim: 9");
  write_file(path("net.prototxt"), net);
  ASSERT_EQ(
      run({"net", "init", path("net.prototxt"), "--out", path("w.safetensors"), "--force"}).code,
      0);
  write_npy(path("x.npy"), random_tensor<float>(Shape{1, 3, 12, 9}, 1).view());
  const Tensor<float> large = random_tensor<float>(Shape{3, 14, 13}, 2);
  Tensor<float> centre(Shape{3, 12, 9});
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t h = 0; h < 12; ++h) {
      for (std::int64_t w = 0; w < 9; ++w)
        centre.values[static_cast<std::size_t>((c * 12 + h) * 9 + w)] =
            large.values[static_cast<std::size_t>((c * 14 + h + 1) * 13 + w + 2)];
    }
  }
  write_npy(path("large.npy"), large.view());
  write_npy(path("centre.npy"), centre.view());
  const auto map_with = [&](const char* mean) {
    const CommandResult result = explain({"--rule", "z-box", "--raw", "--mean", path(mean)});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_npy(path("out/0.relevance.npy")).values;
  };
  EXPECT_EQ(map_with("large.npy"), map_with("centre.npy"));
  write_npy(path("small.npy"), Tensor<float>(Shape{3, 12, 8}).view());
  expect_mistake(explain({"--rule", "z-box", "--mean", path("small.npy")}),
                 {"wrong mean image in", "small.npy: 3x12x8, expected one around 3x12x9"});
}

// Positions of an inner layer stand for parts of the picture; units of an inner product for none.
TEST_F(RelevanceCommand, InnerRelevanceOfAPhotograph) {
  const Image picture{
      .height = kSide, .width = kSide, .pixels = std::vector<std::uint8_t>(3 * kSide * kSide, 77)};
  write_file(path("face.png"), encode_png(picture));
  const auto walk = [&](const char* first) {
    return run({"relevance", "--net", path("net.prototxt"), "--weights", path("w.safetensors"),
                path("face.png"), "--first", first, "--out", path(first)});
  };
  ASSERT_EQ(walk("norm1").code, 0);
  EXPECT_EQ(read_image(path("norm1/face.heatmap.png")).height, kSide - 2);
  EXPECT_EQ(read_image(path("norm1/face.overlay.png")).height, kSide);
}

TEST_F(RelevanceCommand, RefusesImagesWhoseFilesWouldHaveOneName) {
  expect_mistake(run({"relevance", "--net", path("net.prototxt"), "--weights",
                      path("w.safetensors"), "a/1.jpg", "b/1.png", "--out", path("out")}),
                 {"images of the same name: a/1.jpg and b/1.png"});
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(RelevanceCommand, TakesOneKindOfInput) {
  write_input();
  const auto wrong_line = [&](std::vector<std::string> more, const char* part) {
    std::vector<std::string> arguments = {
        "relevance",           "--net", path("net.prototxt"), "--weights",
        path("w.safetensors"), "--out", path("out")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(path("out")));
  };
  wrong_line({}, "one of IMAGE..., --input and --data is required");
  wrong_line({"face.jpg", "--input", path("x.npy")}, "expected one of them");
  wrong_line({"--input", path("x.npy"), "--data", "s.fovea", "--view", "v"},
             "expected one of them");
  wrong_line({"--data", "s.fovea"}, "--data requires --view");
  wrong_line({"face.jpg", "--view", "v"}, "--view requires --data");
}

TEST_F(RelevanceCommand, HelpIsAboutAScreen) {
  const std::string help = run({"relevance", "--help"}).out;
  EXPECT_LE(std::ranges::count(help, '\n'), 56) << help;
}

TEST_F(RelevanceCommand, SaysWhatIsWrongInOneLine) {
  write_input();
  const auto mistake = [&](const std::vector<std::string>& arguments, const char* part) {
    expect_mistake(explain(arguments), {part});
  };
  mistake({"--rule", "epsilonplus"}, "did you mean 'EpsilonPlus'");
  mistake({"--target", "9"}, "expected a class below 6");
  mistake({"--target", "best"}, "expected predicted | label");
  mistake({"--target", "1,2"}, "2 targets for 3 images, expected one or one per image");
  mistake({"--target", "1,2,3,99"}, "4 targets for 3 images, expected one or one per image");
  mistake({"--target", "label"}, "no label for image 0");
  mistake({"--channels", "conv1:8"}, "expected one below 8");
  mistake({"--channels", "conv1"}, "expected LAYER:C,C");
  mistake({"--channels", "conv1:1", "--channels", "fc:7"}, "expected one below 6");
  mistake({"--start-relevance", "much"}, "expected score | X");
  mistake({"--rule", "z-box"}, "no mean image for layer conv1");
  mistake({"--rule", "toolbox-102"}, "no --flat-until");
  mistake({"--rule", "smoothgrad", "--layers", "all"}, "no --layers for rule smoothgrad");
  mistake({"--first", "conv9"}, "conv9");
  mistake({"--first", "1", "--last", "1"}, "wrong value for --first: 1, expected a layer below 1");
  mistake({"--first", "3"}, "wrong value for --first: 3, expected a layer below 3");
  mistake({"--last", "99"}, "wrong value for --last: 99, expected a layer index below 5");
  mistake({"--rule", "toolbox-102", "--flat-until", "99"},
          "wrong value for --flat-until: 99, expected a layer index below 5");
  mistake({"--layers", "conv1,nor1"}, "'nor1', did you mean 'norm1'");
  mistake({"--layers", "prob"}, "wrong layer for --layers: prob");
  mistake({"--layers", "conv1", "--first", "relu1"}, "wrong layer for --layers: conv1");
  mistake({"--eps", "-1"}, "wrong value for --eps: -1, expected 0 or more");
  mistake({"--beta", "-1"}, "wrong value for --beta: -1, expected 0 or more");
  mistake({"--rule", "smoothgrad", "--walks", "0"}, "wrong value for --walks: 0");
  EXPECT_EQ(run({"relevance", "--net", path("net.prototxt")}).code, 2);
}

}  // namespace
}  // namespace fovea
