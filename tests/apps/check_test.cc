// `fovea check`, and the comparison below it.
#include "engine/check/check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "engine/backend/host_device.h"
#include "engine/backend/registry.h"
#include "engine/check/bounds.h"
#include "engine/core/json_fields.h"
#include "engine/core/pattern.h"
#include "engine/graph/executor.h"
#include "engine/train/filler.h"
#include "tests/support/op_problem.h"
#include "tests/support/random_tensor.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

// One of every kind of layer, with a branch, groups and windows over the edge.
constexpr const char* kNet = R"({
  "name": "Every",
  "input": {"name": "data", "shape": [3, 13, 11]},
  "defaults": {"convolution": {"weight_filler": {"type": "gaussian", "std": 0.1}},
               "inner_product": {"weight_filler": {"type": "xavier"}}},
  "layers": [
    {"name": "conv", "type": "convolution", "outputs": 6, "kernel": 3, "stride": 2, "pad": 1},
    {"name": "relu", "type": "relu"},
    {"name": "norm", "type": "lrn", "alpha": 0.1},
    {"name": "pool", "type": "pooling", "kernel": 3, "stride": 2},
    {"name": "left", "type": "convolution", "bottom": "pool", "outputs": 4, "kernel": 3, "pad": 1, "groups": 2},
    {"name": "right", "type": "pooling", "bottom": "pool", "mode": "average", "kernel": 3, "stride": 1, "pad": 1},
    {"name": "both", "type": "concat", "bottom": ["left", "right"]},
    {"name": "drop", "type": "dropout", "ratio": 0.5},
    {"name": "scores", "type": "inner_product", "outputs": 3},
    {"name": "loss", "type": "softmax_loss", "bottom": ["scores", "label"], "phase": ["train", "test"]},
    {"name": "prob", "type": "softmax", "phase": "deploy"}
  ]
})";

class Check : public testing::Test {
 protected:
  Check() { write_file(folder_ / "net.json", kNet); }
  [[nodiscard]] std::string net() const { return (folder_ / "net.json").string(); }
  [[nodiscard]] std::vector<CheckLine> lines(const CheckOptions& options) const {
    Executor model(build_graph(load_net(net(), {.phase = Phase::kTrain, .batch = 2})), {});
    fill_params(model, 1);
    return check_net(model, options);
  }
  [[nodiscard]] CommandResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"check", net()});
    return run_command(folder_.path(), arguments);
  }

  TemporaryFolder folder_;
};

TEST_F(Check, EveryDeviceIsWithinItsBounds) {
  CheckOptions options;
  for (const std::string_view device : known_devices()) {
    if (device != "cpu" && device != "reference") options.devices.emplace_back(device);
  }
  const std::vector<CheckLine> found = lines(options);
  std::size_t forward = 0, weights = 0, moved = 0;
  std::set<std::string> rules;
  for (const CheckLine& line : found) {
    EXPECT_TRUE(line.ok) << line.layer << ", " << line.what << " " << line.rule << " on "
                         << line.device << ": " << line.error << " above " << line.bound;
    forward += line.what == "forward" ? 1 : 0;
    weights += line.what == "backward weights" ? 1 : 0;
    moved += line.max_error > 0 ? 1 : 0;
    if (line.what == "relevance") rules.insert(line.rule);
  }
  const std::size_t others = options.devices.size() - 1;
  EXPECT_EQ(forward, 11 * others);  // the split among them
  EXPECT_EQ(weights, 3 * others);
  // Those with bounds need pixels, which the first layer has.
  for (const char* rule : {"epsilon", "epsilon_relative", "gamma", "alpha_beta", "z_plus", "z_box",
                           "w_square", "flat", "gradient"})
    EXPECT_TRUE(rules.contains(rule)) << rule;
  // Of the others.
  for (const char* rule : {"winner", "average", "average, toolbox", "proportional", "toolbox",
                           "identity", "taylor", "pass", "positive", "guided", "slices", "sum"})
    EXPECT_TRUE(rules.contains(rule)) << rule;
  EXPECT_GT(moved, 0U) << "no rounding anywhere: the same device twice?";
}

// A weight that is off by a thousandth shows in that layer's forward pass and nowhere before or
// behind it: every layer gets the first device's inputs.
TEST_F(Check, AWrongWeightShowsInItsLayerAlone) {
  CheckOptions options;
  options.rules = {"epsilon"};
  options.disturb = [](const std::string& device, const std::string& layer, LayerInputs& inputs) {
    if (device == "cpu" && layer == "left") inputs.params[0].values[7] += 0.001F;
  };
  for (const CheckLine& line : lines(options)) {
    const bool wrong = line.layer == "left" && line.what != "backward weights";
    EXPECT_EQ(line.ok, !wrong) << line.layer << ", " << line.what << ": " << line.error
                               << " beside a bound of " << line.bound;
    EXPECT_EQ(line.error, std::abs(line.actual - line.expected));
  }
}

// Winograd's form makes noise of the gradients of taps that meet no input; so small that it is
// within what rounding does to the filter's other taps.
TEST(LayerBounds, OfATapWithoutProductsAreThoseOfItsFilter) {
  const OpProblem problem = op_problem(
      ConvolutionParams{.outputs = 16, .kernel = {3, 3}, .stride = {1, 1}, .pad = {1, 1}},
      {1, 16, 24, 24});
  const OpInputs random = inputs_of(problem, random_tensor<float>);
  LayerInputs inputs{random.bottoms, random.params, random.top_grads};
  Tensor<float>& x = inputs.bottoms[0];
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    if (i % (24 * 24) != 0) x.values[i] = 0;  // the first row and column of taps see the corner
  }
  const std::shared_ptr<Device> host = open_host_device();
  const LayerOutputs expected = run_layer("reference", *host, problem, inputs, true),
                     actual = run_layer("cpu", *host, problem, inputs, true);
  const Tensor<float> bound = layer_bounds(problem, inputs, expected).param_grads[0];
  const std::size_t unseen = 8, seen = 0;  // taps (2, 2) and (0, 0) of the first filter
  ASSERT_EQ(expected.param_grads[0].values[unseen], 0);
  ASSERT_NE(expected.param_grads[0].values[seen], 0);
  EXPECT_EQ(bound.values[unseen], bound.values[seen]);
  for (std::size_t i = 0; i < bound.values.size(); ++i)
    ASSERT_LE(std::abs(actual.param_grads[0].values[i] - expected.param_grads[0].values[i]),
              bound.values[i])
        << i;
}

// Of what a device runs as one, the layers are checked one by one and together.
TEST_F(Check, SiblingsAreCheckedAsOneToo) {
  if (const std::string reason = missing_device("emulated"); !reason.empty())
    GTEST_SKIP() << reason;
  write_file(folder_ / "net.json", R"({
    "name": "Siblings", "input": {"name": "data", "shape": [4, 6, 5]},
    "defaults": {"convolution": {"weight_filler": {"type": "gaussian", "std": 0.05}},
                 "inner_product": {"weight_filler": {"type": "gaussian", "std": 0.05}}},
    "layers": [
      {"name": "base", "type": "convolution", "outputs": 8, "kernel": 3},
      {"name": "one", "type": "convolution", "bottom": "base", "outputs": 5, "kernel": 1},
      {"name": "two", "type": "convolution", "bottom": "base", "outputs": 4, "kernel": 1},
      {"name": "both", "type": "concat", "bottom": ["one", "two"]},
      {"name": "scores", "type": "inner_product", "outputs": 3},
      {"name": "loss", "type": "softmax_loss", "bottom": ["scores", "label"], "phase": "train"}
    ]})");
  CheckOptions options{.devices = {"cpu", "emulated"}, .rules = {"epsilon"}};
  std::set<std::string> passes;
  for (const CheckLine& line : lines(options)) {
    EXPECT_TRUE(line.ok) << line.layer << ", " << line.what << ": " << line.error;
    if (line.type == "siblings") passes.insert(line.layer + ", " + line.what);
  }
  EXPECT_EQ(passes, (std::set<std::string>{"one & two, forward", "one & two, backward data",
                                           "one & two, backward weights"}));
  options.disturb = [](const std::string&, const std::string& layer, LayerInputs& inputs) {
    if (layer == "one & two") inputs.params[2].values[7] += 0.001F;
  };
  for (const CheckLine& line : lines(options)) {
    const bool wrong = line.type == "siblings" && line.what != "backward weights";
    EXPECT_EQ(line.ok, !wrong) << line.layer << ", " << line.what;
  }
}

// Every layer has the rules that its kind has, and the tables that its place allows.
TEST_F(Check, EveryLayerIsCheckedByAllItsRules) {
  std::map<std::string, std::set<std::string>> rules;
  for (const CheckLine& line : lines({})) {
    if (line.what == "relevance") rules[line.layer].insert(line.rule);
  }
  using Rules = std::set<std::string>;
  EXPECT_EQ(rules["relu"], (Rules{"pass", "positive", "guided", "gradient"}));
  EXPECT_EQ(rules["norm"], (Rules{"identity", "taylor", "toolbox", "gradient"}));
  EXPECT_EQ(rules["pool"], (Rules{"winner", "average", "average, toolbox"}));
  EXPECT_EQ(rules["right"], (Rules{"proportional", "toolbox", "gradient"}));
  EXPECT_EQ(rules["both"], Rules{"slices"});
  EXPECT_EQ(rules["drop"], Rules{"pass"});
  for (const char* layer : {"conv", "left", "scores"}) {
    for (const char* rule : {"w_square", "flat", "z_plus", "gamma", "gradient"})
      EXPECT_TRUE(rules[layer].contains(rule)) << layer << ", " << rule;
    EXPECT_EQ(rules[layer].contains("z_box"), layer == std::string("conv"));
  }
  // A preset names one each.
  CheckOptions one;
  one.rules = {"guided-backprop"};
  rules.clear();
  for (const CheckLine& line : lines(one)) {
    if (line.what == "relevance") rules[line.layer].insert(line.rule);
  }
  EXPECT_EQ(rules["relu"], Rules{"guided"});
  EXPECT_EQ(rules["pool"], Rules{"winner"});
}

// Biases spread over the taps, where a rule can: on every device, and a wrong one is found.
TEST_F(Check, DistributedBiases) {
  CheckOptions options;
  options.bias = BiasRule::kDistribute;
  options.devices = {"reference"};
  for (const std::string_view device : known_devices()) {
    if (device != "reference") options.devices.emplace_back(device);
  }
  std::map<std::string, std::set<std::string>> rules;
  double moved = 0;
  for (const CheckLine& line : lines(options)) {
    EXPECT_TRUE(line.ok) << line.layer << ", " << line.what << " " << line.rule << " on "
                         << line.device << ": " << line.error << " beside " << line.bound;
    if (line.what == "relevance") rules[line.layer].insert(line.rule);
    if (line.rule.find("distributed") != std::string::npos) moved += line.error;
  }
  EXPECT_GT(moved, 0) << "no rounding anywhere: the same device twice?";
  const std::set<std::string> spread{"epsilon, bias distributed", "alpha_beta, bias distributed",
                                     "z_plus, bias distributed"};
  for (const char* layer : {"conv", "left", "scores"}) EXPECT_EQ(rules[layer], spread) << layer;
  EXPECT_EQ(rules["both"], std::set<std::string>{"slices"});

  options.devices = {"reference", "cpu"};
  options.disturb_distributed_rule = [](const std::string& device, const std::string& layer,
                                        DistributedRule& rule) {
    if (device == "cpu" && layer == "left" && rule.beta > 0) rule.beta *= 1.001F;
  };
  std::size_t wrong = 0;
  for (const CheckLine& line : lines(options)) {
    const bool is_wrong = line.layer == "left" && line.rule == "alpha_beta, bias distributed";
    wrong += is_wrong ? 1 : 0;
    EXPECT_EQ(line.ok, !is_wrong) << line.layer << ", " << line.what << " " << line.rule;
  }
  EXPECT_EQ(wrong, 1U);
}

// A device that goes by another rule than it is asked to is found, there and nowhere else.
TEST_F(Check, AWrongRuleIsFound) {
  CheckOptions options;
  options.disturb_rule = [](const std::string& device, const std::string& layer,
                            RelevanceRule& rule) {
    if (device == "cpu" && layer == "left" && std::string(rule.name) == "z_plus")
      rule.coefficient[0] *= 1.001F;
  };
  options.disturb_other_rule = [](const std::string& device, const std::string& layer,
                                  OtherRules& rules) {
    if (device != "cpu") return;
    if (layer == "norm" && rules.lrn == LrnRule::kTaylor) rules.lrn = LrnRule::kToolbox;
    if (layer == "pool" && rules.max_pooling == MaxPoolingRule::kWinner)
      rules.max_pooling = MaxPoolingRule::kAverage;
    if (layer == "right" && rules.average_pooling == AveragePoolingRule::kProportional)
      rules.average_pooling = AveragePoolingRule::kGradient;
    if (layer == "relu" && rules.relu == ReluRule::kGuided) rules.relu = ReluRule::kPass;
  };
  const std::set<std::pair<std::string, std::string>> wrong{{"left", "z_plus"},
                                                            {"norm", "taylor"},
                                                            {"pool", "winner"},
                                                            {"right", "proportional"},
                                                            {"relu", "guided"}};
  std::size_t found = 0;
  for (const CheckLine& line : lines(options)) {
    const bool is_wrong = line.what == "relevance" && wrong.contains({line.layer, line.rule});
    found += is_wrong && !line.ok ? 1 : 0;
    EXPECT_EQ(line.ok, !is_wrong) << line.layer << ", " << line.what << " " << line.rule;
    EXPECT_EQ(line.ok, line.error <= line.bound);
  }
  EXPECT_GE(found, wrong.size());
}

TEST_F(Check, APatternChoosesLayers) {
  CheckOptions options;
  options.layers = "?igh*";
  std::vector<std::string> names;
  for (const CheckLine& line : lines(options)) {
    if (line.what == "forward") names.push_back(line.layer);
  }
  EXPECT_EQ(names, std::vector<std::string>{"right"});
}

TEST(Compare, WhatIsNoNumberIsOff) {
  const Tensor<float> one(Shape{2}, {1, 2}), bound(Shape{2}, {10, 10});
  CheckLine line;
  compare({Tensor<float>(Shape{2}, {1, std::nanf("")})}, {one}, {bound}, 1, line);
  EXPECT_FALSE(line.ok);
  EXPECT_EQ(line.index, 1);
  line = {};
  compare({Tensor<float>(Shape{2}, {1.5, 2})}, {one}, {bound}, 1, line);
  EXPECT_TRUE(line.ok);
  EXPECT_EQ(line.max_error, 0.5);
  line = {};
  compare({Tensor<float>(Shape{2}, {1.5, 2})}, {one}, {bound}, 0.01, line);
  EXPECT_FALSE(line.ok);
}

TEST(Pattern, StarAndQuestionMark) {
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("conv*_?", "conv1_1_2"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_FALSE(matches("conv?", "conv"));
  EXPECT_FALSE(matches("*a*b", "ba"));
}

TEST_F(Check, TheCommandSaysWhatItFound) {
  const CommandResult same = run({"--batch", "2"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_NE(same.out.find("backward weights"), std::string::npos) << same.out;
  const CommandResult json = run({"--json", "--rules", "epsilon,gamma"});
  ASSERT_EQ(json.code, 0) << json.err;
  const Json result = Json::parse(json.out);
  EXPECT_EQ(result["mismatches"], 0);
  EXPECT_EQ(result["lines"][0]["layer"], "conv");
  EXPECT_EQ(result["lines"][0]["device"], "cpu");
}

TEST_F(Check, AMismatchIsExitCodeOne) {
  // No bound is so wide that a ten-thousandth of it holds every rounding.
  const CommandResult off = run({"--bound-scale", "1e-4"});
  expect_mistake(off, {"comparisons are off, worst ", "element", "expected", "actual", "bound"});
  EXPECT_NE(off.out.find("MISMATCH"), std::string::npos);
}

TEST_F(Check, MistakesAreOneLine) {
  expect_mistake(run({"--devices", "reference"}), {"--devices", "two or more"});
  expect_mistake(run({"--devices", "cpu,cudn"}), {"unknown device: 'cudn'", "cudnn[:N]"});
  if (const std::string missing = missing_device("cudnn"); !missing.empty())
    expect_mistake(run({"--devices", "cpu,cudnn"}), {missing});
  expect_mistake(run({"--rules", "no-such-rule"}), {"no-such-rule"});
  expect_mistake(run({"--layers", "nothing*"}), {"--layers", "nothing*", "Every"});
}

}  // namespace
}  // namespace fovea
