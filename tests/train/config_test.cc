// Training configs: inheritance, settings, and mistakes that are found before anything runs.
#include "engine/train/config.h"
#include "engine/core/json_fields.h"

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

TEST(Config, TargetsReachEveryLossInTrainingOnly) {
  TrainConfig c;
  c.loss = {.weighting = "weighted",
            .class_weights = {1, 2, 3},
            .label_smoothing = 0.25F,
            .ordinal_sigma = 0.5F};
  const fs::path file = fs::path(FOVEA_SOURCE_DIR) / "nets/googlenet.json";
  int losses = 0;
  for (const LayerDefinition& layer : configured_net(c, file, Phase::kTrain, 1, 3).layers) {
    const auto* loss = std::get_if<SoftmaxLossParams>(&layer.op);
    if (!loss) continue;
    ++losses;
    EXPECT_EQ(loss->class_weights, c.loss.class_weights);
    EXPECT_EQ(loss->label_smoothing, 0.25F);
    EXPECT_EQ(loss->ordinal_sigma, 0.5F);
  }
  EXPECT_EQ(losses, 3);
  // The number of classes is known to the graph alone.
  EXPECT_NE(message_of([&] {
              (void)build_graph(configured_net(c, file, Phase::kTrain, 1, 4));
            }).find("3 weights, expected one for each of 4 classes"),
            std::string::npos);
}

TEST(Config, BalancedWeightsMakeEveryClassWeighTheSame) {
  const std::vector<std::int64_t> counts{10, 30, 0, 40};
  const std::vector<float> weights = balanced_class_weights(counts);
  EXPECT_EQ(weights, (std::vector<float>{2, 80.0F / 120, 0, 0.5F}));
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
      {R"({"solver": {"ema": 1}})", "c.json.solver.ema: 1"},
      {R"({"evaluation": {"interval": 1, "average": true}})", "expected solver.ema above 0"},
      {R"({"loss": {"weighting": "equal"}})", "expected none | balanced | weighted"},
      {R"({"loss": {"weighting": "weighted"}})", "c.json.loss.class_weights: 0 weights"},
      {R"({"loss": {"class_weights": [1, 2]}})", "c.json.loss.class_weights: 2 weights"},
      {R"({"loss": {"label_smoothing": 1}})", "c.json.loss.label_smoothing: 1"},
      {R"({"loss": {"ordinal_sigma": -1}})", "c.json.loss.ordinal_sigma: -1"},
      {R"({"layer_rates": [{"layer": "conv1"}]})", "'layer', did you mean 'layers'?"},
      {R"({"freeze": "conv1"})", "c.json.freeze: \"conv1\", expected a list"},
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
