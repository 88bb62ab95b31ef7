// Config files of the LRP Toolbox, by `fovea relevance --lrp-toolbox-config`.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "data/image.h"
#include "data/mean.h"
#include "engine/core/npy.h"
#include "tests/relevance/relevance_command.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

constexpr int kMeanSide = 16;

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
