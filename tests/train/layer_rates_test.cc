// Frozen layers, learning rates by name, and where a training that diverges is caught.
#include "engine/train/layer_rates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "engine/graph/net_json.h"
#include "engine/io/safetensors.h"
#include "engine/train/divergence.h"
#include "engine/train/filler.h"
#include "engine/train/snapshots.h"
#include "engine/train/solver.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

NetDefinition toy_net(const TemporaryFolder& folder, Phase phase = Phase::kTrain) {
  write_toy_net(folder / "toy.json");
  return load_net(folder / "toy.json", {.phase = phase, .batch = 2});
}

const LayerDefinition& layer_of(const NetDefinition& net, const std::string& name) {
  return *std::ranges::find(net.layers, name, &LayerDefinition::name);
}

TEST(LayerRates, MultiplyByPatternOfLayersAndParameters) {
  const TemporaryFolder folder;
  NetDefinition net = toy_net(folder);
  apply_layer_rates(net,
                    {{.layers = "*", .lr_mult = 2, .decay_mult = 0.5F},
                     {.layers = "sc?res", .lr_mult = 5},
                     {.layers = "conv.bias", .decay_mult = 0}},
                    {"conv.weight"}, "config");
  EXPECT_EQ(layer_of(net, "conv").params[0].lr_mult, 0);
  EXPECT_EQ(layer_of(net, "conv").params[1].lr_mult, 2);
  EXPECT_EQ(layer_of(net, "conv").params[1].decay_mult, 0);
  EXPECT_EQ(layer_of(net, "scores").params[0].lr_mult, 10);
  EXPECT_EQ(layer_of(net, "scores").params[1].decay_mult, 0.5F);
}

TEST(LayerRates, APatternThatFitsNothingIsAMistake) {
  const TemporaryFolder folder;
  NetDefinition net = toy_net(folder);
  for (const auto& [pattern, expected] :
       {std::pair{"relu", "'relu' fits no layer with parameters of net Toy"},
        std::pair{"score", "did you mean 'scores'?"}}) {
    const std::string message =
        message_of([&, &p = pattern] { apply_layer_rates(net, {}, {p}, "config"); });
    EXPECT_NE(message.find(expected), std::string::npos) << message;
    EXPECT_NE(message.find("config.freeze"), std::string::npos) << message;
  }
}

TEST(LayerRates, FrozenLayersKeepTheirBitsAndCostNoGradient) {
  const ToyRun toy(14);
  ASSERT_EQ(run_command(toy.path(), toy.train("start", {"--set", "solver.base_lr=0"})).code, 0);
  ASSERT_EQ(run_command(toy.path(), toy.train("free")).code, 0);
  ASSERT_EQ(run_command(toy.path(), toy.train("frozen", {"--set", R"(freeze=["conv"])"})).code, 0);
  const auto weights = [&](const char* run, const char* name) {
    return read_safetensors(toy / run / "fold0/iter_14.safetensors").find(name)->values;
  };
  EXPECT_EQ(weights("frozen", "conv.weight"), weights("start", "conv.weight"));
  EXPECT_EQ(weights("frozen", "conv.bias"), weights("start", "conv.bias"));
  EXPECT_NE(weights("free", "conv.weight"), weights("start", "conv.weight"));
  EXPECT_NE(weights("frozen", "scores.weight"), weights("start", "scores.weight"));
  EXPECT_EQ(run_command(toy.path(), toy.train("no", {"--set", R"(freeze=["con"])"})).code, 1);

  const TemporaryFolder folder;
  NetDefinition net = toy_net(folder);
  apply_layer_rates(net, {}, {"conv"}, "config");
  const Executor free(build_graph(toy_net(folder)), {.training = true}),
      frozen(build_graph(net), {.training = true});
  EXPECT_LT(frozen.arena_bytes(), free.arena_bytes());  // no gradient of what conv gives
}

class Divergence : public testing::Test {
 protected:
  Divergence() : executor_(build_graph(toy_net(folder_)), {.training = true, .keep = {"scores"}}) {
    fill_params(executor_, 1);
    std::ranges::fill(executor_.input("data").span(), 1.0F);
  }
  void set(std::size_t k, float value) {
    std::vector<float> values = executor_.param(k);
    values[0] = value;
    executor_.set_param(k, values);
    executor_.params_updated();
  }
  std::string message() {
    Solver solver(executor_, {.base_lr = 0.1F});
    return message_of([&] { (void)solver.step([](std::int64_t) {}); });
  }
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

  TemporaryFolder folder_;
  Executor executor_;
};

TEST_F(Divergence, NamesTheLastParameterThatIsNotFinite) {
  set(0, kNan), set(2, kNan);  // conv.weight, scores.weight
  EXPECT_NE(message().find("training diverged at iteration 1: the loss is"), std::string::npos);
  EXPECT_NE(message().find("the parameter scores.weight is not finite"), std::string::npos)
      << message();
}

TEST_F(Divergence, NamesTheInput) {
  executor_.input("data").span()[3] = kNan;
  EXPECT_EQ(where_not_finite(executor_, 0), "the input 'data' is not finite");
}

TEST_F(Divergence, NamesTheFirstLayerThatOverflowsAndLeavesTheParameters) {
  for (const std::size_t k : {0U, 2U}) {
    const std::vector<float> large(executor_.param(k).size(), 1e25F);
    executor_.set_param(k, large);
  }
  executor_.params_updated();
  const std::vector<float> before = executor_.param(2);
  EXPECT_NE(message().find("the output of layer scores is not finite"), std::string::npos)
      << message();
  EXPECT_EQ(executor_.param(2), before);
}

TEST(TrainCommand, ADivergedRunNamesItsLayerAndKeepsTheLastGoodSnapshot) {
  const ToyRun toy(35);
  std::vector<std::string> more{"--set", "solver.policy=multistep",
                                "--set", "solver.stepvalues=[15]",
                                "--set", "solver.gamma=1e30"};
  const CommandResult result = run_command(toy.path(), toy.train("run", more));
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("training diverged"), std::string::npos) << result.err;
  const bool named = result.err.find("conv") != std::string::npos ||
                     result.err.find("scores") != std::string::npos;
  EXPECT_TRUE(named) << result.err;
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 14);
  const WeightFile last = read_safetensors(snapshot_path(toy / "run/fold0", 14, ".safetensors"));
  EXPECT_EQ(tensor_not_finite(last), "");
}

}  // namespace
}  // namespace fovea
