// `fovea relevance` as a process: results, user mistakes, and config files of the LRP Toolbox.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

#include "data/image.h"
#include "data/mean.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "tests/relevance/relevance_command.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

constexpr int kMeanSide = 16;

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

// ---- config files of the LRP Toolbox

class ToolboxConfig : public RelevanceCommand {
 protected:
  void SetUp() override {
    RelevanceCommand::SetUp();
    // 16 rows, 20 columns: the base size, so that nothing is resized where that is 20.
    image_ = {.height = 16, .width = 20, .channels = 3, .pixels = {}};
    for (int i = 0; i < 16 * 20 * 3; ++i)
      image_.pixels.push_back(static_cast<std::uint8_t>((i * 37 + i / 7) % 251));
    write_file(folder_ / "root/faces/a.png", encode_png(image_));
    mean_ = random_tensor<float>(Shape{3, kMeanSide, kMeanSide}, 2);
    for (float& m : mean_.values) m = 100 + 50 * m;
    write_mean(folder_ / "mean.binaryproto", mean_.view(), true);
    std::ofstream(folder_ / "names.txt") << "a\nb\nc\nd\ne\nf\n";
    std::ofstream(folder_ / "list.txt") << "faces/a.png -1\nfaces/a.png 3\n";
  }
  // With other values for some keys.
  void write_config(const std::string& extra = "",
                    const std::map<std::string, std::string>& values = {}) {
    std::ostringstream text;
    text << "param_file\n"
         << path("net.prototxt") << "\n\nmodel_file\n"
         << path("w.safetensors") << "\n\nmean_file\n"
         << path("mean.binaryproto") << "\n\nsynsetfile\n"
         << path("names.txt") << "\n\nuse_mean_file_asbinaryprotoblob\n1\n\nlastlayerindex\n-2\n\n"
         << "-1 finds lowest softmax layer and inserts at the layer below\n\n"
         << "firstlayerindex\n0\n\nnumclasses\n6\n\nbaseimgsize\n20\n\nstandalone_outpath\n"
         << path("lrp_output") << "\n\nstandalone_rootpath\nfaces\n\nepsstab\n0.1\n\n"
         << "alphabeta_beta\n1\n\nrelpropformulatype\n100\n\n"
         << extra;
    std::string config = text.str();
    for (const auto& [key, value] : values) {
      const std::size_t at = config.find("\n" + key + "\n") + key.size() + 2;
      config.replace(at, config.find('\n', at) - at, value);
    }
    std::ofstream(folder_ / "config.txt") << config;
  }
  CommandResult run_config(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"relevance",        "--lrp-toolbox-config",
                                          path("config.txt"), path("list.txt"),
                                          path("root"),       "--force"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  // What _rawhm.txt holds, as (3, H, W) in the file's order of planes.
  [[nodiscard]] std::vector<float> raw() const {
    std::istringstream text(read_file(folder_ / "lrp_output/faces/a.png_rawhm.txt"));
    int channels = 0, rows = 0, columns = 0;
    text >> channels >> rows >> columns;
    EXPECT_EQ(channels, 3);
    EXPECT_EQ(rows, kSide);
    EXPECT_EQ(columns, kSide);
    std::vector<float> values(static_cast<std::size_t>(3 * kSide * kSide));
    for (float& v : values) text >> v;
    EXPECT_TRUE(text) << "fewer numbers than the head says";
    return values;
  }
  // The same by --input: pixels of the window (rows from (16 - 12) / 2, columns from the border
  // (20 - 12) / 2) minus the mean at (h, w) of its window, blue green red.
  std::vector<float> expected(bool transposed) {
    Tensor<float> x(Shape{1, 3, kSide, kSide});
    for (int c = 0; c < 3; ++c) {
      for (int h = 0; h < kSide; ++h) {
        for (int w = 0; w < kSide; ++w) {
          const int row = h + 2, column = w + 2;  // (16 - 12) / 2 of the mean
          const auto m = static_cast<std::size_t>(
              c * kMeanSide * kMeanSide +
              (transposed ? row + column * kMeanSide : row * kMeanSide + column));
          x.view()(0, c, h, w) =
              static_cast<float>(
                  image_.pixels[static_cast<std::size_t>(((h + 2) * 20 + w + 4) * 3 + 2 - c)]) -
              mean_.values[m];
        }
      }
    }
    write_npy(path("x.npy"), x.view());
    EXPECT_EQ(explain({"--rule", "toolbox-100", "--raw", "--target", "3"}).code, 0);
    std::vector<float> map = read_npy(path("out/0.relevance.npy")).values;
    std::swap_ranges(map.begin(), map.begin() + kSide * kSide, map.begin() + 2 * kSide * kSide);
    return map;
  }

  Image image_;
  Tensor<float> mean_;
};

TEST_F(ToolboxConfig, RunsAsItIsAndWritesWhatTheDemonstratorWrites) {
  write_config();
  const CommandResult result = run_config();
  ASSERT_EQ(result.code, 0) << result.err;
  const std::vector<float> map = expected(false);  // class 3: the list's last line
  EXPECT_TRUE(all_near(raw(), map, 1e-5 * largest_magnitude(map)));
  const Image seen = read_image(path("lrp_output/faces/a.png_as_inputted_into_the_dnn.png"));
  EXPECT_EQ(seen.height, kSide);
  EXPECT_EQ(seen.pixels[0], image_.pixels[(2 * 20 + 4) * 3]);
  EXPECT_EQ(read_image(path("lrp_output/faces/a.png_heatmap.png")).width, kSide);
  std::istringstream top(read_file(path("lrp_output/faces/a.png_top10scores.txt")));
  int unit = 0, lines = 0;
  double score = 0, last = 1e30;
  for (; top >> unit >> score; ++lines) {
    EXPECT_LE(score, last);
    last = score;
  }
  EXPECT_EQ(lines, 6);
}

TEST_F(ToolboxConfig, SubtractsTheMeanTransposedOnlyWhenAsked) {
  write_config();
  ASSERT_EQ(run_config({"--toolbox-transposed-mean"}).code, 0);
  const std::vector<float> map = expected(true), straight = expected(false);
  EXPECT_TRUE(all_near(raw(), map, 1e-5 * largest_magnitude(map)));
  EXPECT_FALSE(all_near(map, straight, 1e-3 * largest_magnitude(map)));
}

TEST_F(ToolboxConfig, WritesUnderTheOutputFolderAlsoFromAbsolutePaths) {
  write_config("", {{"standalone_rootpath", path("root")}});
  ASSERT_EQ(run_config().code, 0);
  EXPECT_TRUE(fs::exists(path("lrp_output") + path("root/faces/a.png_rawhm.txt")));
  EXPECT_FALSE(fs::exists(path("root/faces/a.png_rawhm.txt")));
  write_config("", {{"standalone_rootpath", "../root"}, {"standalone_outpath", path("lrp/out")}});
  std::ofstream(folder_ / "list.txt") << "../root/faces/a.png -1\n";
  ASSERT_EQ(run_config().code, 0);
  EXPECT_TRUE(fs::exists(path("lrp/out/root/faces/a.png_rawhm.txt")));
}

TEST_F(ToolboxConfig, RanksAsManyClassesAsTheConfigSays) {
  std::ofstream(folder_ / "list.txt") << "faces/a.png -1\n";
  write_config("", {{"numclasses", "7"}});
  expect_mistake(run_config(), {"wrong value for numclasses in", "7, expected at most 6"});
  EXPECT_FALSE(fs::exists(path("lrp_output")));
  write_config("", {{"numclasses", "2"}});
  const CommandResult result = run_config();
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("the last 4 of the net's 6 outputs are not ranked"), std::string::npos);
  const std::string top = read_file(path("lrp_output/faces/a.png_top10scores.txt"));
  EXPECT_EQ(std::ranges::count(top, '\n'), 2);
}

TEST_F(ToolboxConfig, ReportsOptionsThatItDoesNotUse) {
  write_config();
  const CommandResult result = run_config({"--rule", "study", "--eps", "1", "--out", path("out"),
                                           "--toolbox-group-bias", "--seed", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* option : {"--rule", "--eps", "--out"})
    EXPECT_NE(result.err.find(str(option, " is not used with")), std::string::npos) << option;
  EXPECT_EQ(result.err.find("--toolbox"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("--seed"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(ToolboxConfig, NamesTheKeyThatIsWrong) {
  const auto mistake = [&](const char* key, const char* value, const char* part) {
    write_config("", {{key, value}});
    expect_mistake(run_config(), {part, "config.txt"});
    EXPECT_FALSE(fs::exists(path("lrp_output")));
  };
  mistake("relpropformulatype", "102", "no auxiliaryvariable_maxlayerindexforflatdistinconv");
  mistake("epsstab", "-1", "wrong value for epsstab");
  mistake("alphabeta_beta", "-1", "wrong value for alphabeta_beta");
  mistake("firstlayerindex", "3", "wrong value for firstlayerindex");
  mistake("lastlayerindex", "5", "expected -2, -1 or a layer index below 5");
}

TEST_F(ToolboxConfig, NamesTheLineThatIsWrong) {
  const auto mistake = [&](const std::string& extra, const char* part) {
    write_config(extra);
    expect_mistake(run_config(), {part});
    EXPECT_FALSE(fs::exists(path("lrp_output")));
  };
  mistake("epstab\n1\n", "unknown key in");
  mistake("epstab\n1\n", "did you mean 'epsstab'");
  mistake("numclasses\n6\n", "key given twice");
  mistake("auxiliaryvariable_maxlayerindexforflatdistinconv\nzero\n", "expected a whole number");
  std::ofstream(folder_ / "list.txt") << "faces/a.png\n";
  mistake("", "expected PATH CLASS");
  std::ofstream(folder_ / "config.txt") << "param_file\nx\n";
  std::ofstream(folder_ / "list.txt") << "faces/a.png -1\n";
  EXPECT_NE(run_config().err.find("missing key in"), std::string::npos);
}

}  // namespace
}  // namespace fovea
