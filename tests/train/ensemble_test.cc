// `fovea eval` of several snapshots at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ranges>

#include "data/batch_source.h"
#include "engine/io/safetensors.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class Ensemble : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    toy_ = new ToyRun(14);
    ASSERT_EQ(run_command(toy().path(), toy().train("a")).code, 0);
    ASSERT_EQ(run_command(toy().path(), toy().train("b", {"--set", "seed=5"})).code, 0);
  }
  static void TearDownTestSuite() { delete toy_; }

  static const ToyRun& toy() { return *toy_; }
  static CommandResult eval(const std::string& weights, std::vector<std::string> more = {}) {
    return run_command(toy().path(), toy().eval(weights, more));
  }
  static Json fold(const std::string& weights, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--json", "--expected"});
    const CommandResult result = eval(weights, more);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out)["folds"][0];
  }
  static double number(const Json& of, const char* key) { return of[key].get<double>(); }

 private:
  static inline ToyRun* toy_ = nullptr;
};

// Of two classes the distance of the expected class from the true one is linear in the
// probabilities, so that of the mean is the mean of the members'.
TEST_F(Ensemble, IsTheMeanOfItsMembersProbabilities) {
  const Json both = fold("a," + toy().file("b")), a = fold("a"), b = fold("b");
  for (const char* key : {"mae_expected", "mae_expected_oversample"}) {
    ASSERT_NE(number(a, key), number(b, key));
    EXPECT_NEAR(number(both, key), (number(a, key) + number(b, key)) / 2, 1e-12) << key;
    EXPECT_EQ(both["members"][0][key], a[key]);
    EXPECT_EQ(both["members"][1][key], b[key]);
  }
  EXPECT_EQ(both["members"][1]["weights"], toy().file("b/fold0/iter_14.safetensors"));
  EXPECT_EQ(both, fold("a", {"--weights", toy().file("b")}));
  // One that is asked twice says what it says once.
  fs::copy_file(toy() / "a/fold0/iter_14.safetensors", toy() / "copy.safetensors",
                fs::copy_options::overwrite_existing);
  Json twice = fold("a," + toy().file("copy.safetensors")), once = a;
  twice.erase("members"), once.erase("members");
  EXPECT_EQ(twice, once);
}

// Each member sees pixels as it was trained on them, whatever the config says.
TEST_F(Ensemble, MembersOfDifferentScalesAreFedWithTheirs) {
  ASSERT_EQ(run_command(toy().path(), toy().train("c", {"--set", "data.scale=0.25"})).code, 0);
  Json config = Json::parse(read_file(toy() / "config.json"));
  config["data"]["scale"] = 0.25;
  write_file(toy() / "quarter.json", config.dump(), true);
  const CommandResult alone = run_command(
      toy().path(), {"eval", toy().file("quarter.json"), "--data", toy().file("toy.fovea"),
                     "--weights", toy().file("c"), "--expected", "--json"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  const Json both = fold("a," + toy().file("c"));
  EXPECT_EQ(both["members"][0]["mae_expected"], fold("a")["mae_expected"]);
  EXPECT_EQ(both["members"][1]["mae_expected"], Json::parse(alone.out)["folds"][0]["mae_expected"]);
}

TEST_F(Ensemble, NamesMayHaveCommas) {
  fs::copy_file(toy() / "a/fold0/iter_14.safetensors", toy() / "rate=1,decay=2.safetensors",
                fs::copy_options::overwrite_existing);
  const CommandResult result = run_command(
      toy().path(), {"eval", toy().file("config.json"), "--data", toy().file("toy.fovea"),
                     "--weights", toy().file("rate=1,decay=2.safetensors")});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Ensemble, TakesTheSnapshotsOfARun) {
  const Json all = fold("a", {"--snapshot", "all"});
  ASSERT_EQ(all["members"].size(), 2U);
  EXPECT_EQ(all["members"][0]["weights"], toy().file("a/fold0/iter_7.safetensors"));
  EXPECT_EQ(all["members"][1]["mae_expected"], fold("a")["mae_expected"]);
  EXPECT_EQ(fold("a", {"--weights", toy().file("b"), "--snapshot", "all"})["members"].size(), 4U);
}

TEST_F(Ensemble, TheTableShowsTheMembers) {
  const CommandResult table = eval("a," + toy().file("b"));
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("fold 0: the mean of 2\n  alone"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find(toy().file("b/fold0/iter_14.safetensors")), std::string::npos);
  EXPECT_EQ(eval("a").out.find("alone"), std::string::npos);
}

TEST_F(Ensemble, CentreAndMirrorAreTwoCrops) {
  const Store store(toy() / "toy.fovea");
  const BatchSource source(store, {.view = "gender/aligned/fold0/test",
                                   .batch = 2,
                                   .transform = {.crop = 10},
                                   .crops = Crops::kCentreMirror});
  Tensor<float> images(source.batch_shape());
  ASSERT_EQ(images.shape, (Shape{4, 3, 10, 10}));
  std::vector<float> labels(2);
  source.load(0, images.view(), labels);
  for (std::int64_t n = 0; n < 4; n += 2) {
    for (std::int64_t i = 0; i < 3 * 10; ++i) {
      const float* row = images.values.data() + (n * 30 + i) * 10;
      const std::vector<float> forwards(row, row + 10), mirrored(row + 300, row + 310);
      ASSERT_TRUE(std::ranges::equal(forwards, std::views::reverse(mirrored)));
    }
  }
  const Json centre = fold("a", {"--crops", "center"}),
             both = fold("a", {"--crops", "center-mirror"});
  EXPECT_EQ(both["count"], centre["count"]);
  EXPECT_NE(both["mae_expected"], centre["mae_expected"]);
  EXPECT_FALSE(both.contains("accuracy_oversample"));
}

TEST_F(Ensemble, MistakesAreOneLine) {
  const auto refused = [](const std::string& weights, std::vector<std::string> more = {}) {
    more.emplace_back("--quiet");
    return eval(weights, more);
  };
  expect_mistake(refused("a," + toy().file("a/fold0/iter_14.safetensors")),
                 {"--weights", "iter_14.safetensors", "named twice"});
  expect_mistake(refused("a", {"--snapshot", "newest,all"}),
                 {"iter_14.safetensors", "named twice", "--snapshot"});
  expect_mistake(refused("a", {"--weights", toy().file("b/../a")}), {"named twice"});
  expect_mistake(refused("a", {"--snapshot", "newest,best"}), {"no best snapshot in", "keep_best"});
  expect_mistake(refused("a", {"--snapshot", "average"}), {"no averaged weights in", "solver.ema"});
  EXPECT_EQ(eval("a", {"--snapshot", "worst"}).code, 2);
  WeightFile other = read_safetensors(toy() / "b/fold0/iter_14.safetensors");
  other.metadata["classes"] = R"(["young","old"])";
  write_safetensors(toy() / "other.safetensors", other);
  expect_mistake(refused("a," + toy().file("other.safetensors")),
                 {"wrong classes in", "other.safetensors", "young, old", "expected m, f",
                  "a/fold0/iter_14.safetensors"});
  for (auto& [name, tensor] : other.tensors) {
    if (name == "scores.bias") tensor = Tensor<float>(Shape{3});
  }
  other.metadata["classes"] = R"(["m","f"])";
  write_safetensors(toy() / "three.safetensors", other);
  expect_mistake(refused("a," + toy().file("three.safetensors")),
                 {"three.safetensors", "scores.bias", "expected 2"});
}

}  // namespace
}  // namespace fovea
