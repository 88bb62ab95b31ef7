// Training configs: inheritance, settings, and mistakes that are found before anything runs.
#include "engine/train/config.h"

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

TEST(Config, InheritsKeyByKeyAndSettingsWin) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "sub");
  write_file(folder / "base.json",
             R"({"target": "gender", "solver": {"base_lr": 0.5, "gamma": 0.25}})");
  write_file(folder / "sub/mine.json",
             R"({"extends": "../base.json", "solver": {"base_lr": 0.125}})");
  const TrainConfig c =
      load_config(folder / "sub/mine.json", {"solver.policy=inv", "data.mirror=false", "seed=9",
                                             "solver.stepvalues=[1,2]", "weights=a=b.safetensors"});
  EXPECT_EQ(c.target, "gender");
  EXPECT_EQ(c.solver.base_lr, 0.125F);
  EXPECT_EQ(c.solver.gamma, 0.25F);
  EXPECT_EQ(c.solver.policy, LrPolicy::kInv);
  EXPECT_EQ(c.solver.stepvalues, (std::vector<std::int64_t>{1, 2}));
  EXPECT_FALSE(c.data.mirror);
  EXPECT_EQ(c.seed, 9U);
  EXPECT_EQ(c.weights, "a=b.safetensors");
}

TEST(Config, WrittenAndReadAgainIsTheSame) {
  const TemporaryFolder folder;
  const TrainConfig c = load_config(fs::path(FOVEA_SOURCE_DIR) / "configs/demo_gender.json");
  write_file(folder / "resolved.json", write_json(c).dump());
  EXPECT_EQ(write_json(load_config(folder / "resolved.json")), write_json(c));
}

TEST(Config, EveryConfigOfTheRepositoryResolvesToANet) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(FOVEA_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path());
    const TrainConfig c = load_config(entry.path());
    const fs::path net = fs::path(FOVEA_SOURCE_DIR) / "nets" / (c.net + ".json");
    EXPECT_NO_THROW((void)build_graph(configured_net(c, net, Phase::kTrain, c.data.batch, 8)));
    ++count;
  }
  EXPECT_GE(count, 2);
}

TEST(Config, MistakesNameFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"solver": {"base_lrr": 1}})", "c.json.solver: 'base_lrr', did you mean 'base_lr'?"},
      {R"({"solver": {"policy": "stepp"}})", "c.json.solver.policy"},
      {R"({"target": "height"})", "expected age | gender"},
      {R"({"data": {"batch": 0}})", "c.json.data.batch: 0"},
      {R"({"data": {"batch": "many"}})", "c.json.data.batch: \"many\", expected a whole number"},
      {R"({"data": 3})", "c.json.data: 3, expected an object"},
      {R"({"solver": {"max_iter": -1}})", "c.json.solver.max_iter: -1"},
      {R"({"extends": "c.json"})", "endless \"extends\""},
      {R"({"extends": 3})", "extends, expected a file name"},
      {R"({"seed": )", "syntax error in"},
      {R"([])", "expected an object"},
  };
  const TemporaryFolder folder;
  for (const auto& [text, expected] : cases) {
    write_file(folder / "c.json", text);
    const std::string message = message_of([&] { (void)load_config(folder / "c.json"); });
    EXPECT_NE(message.find(expected), std::string::npos) << text << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace fovea
