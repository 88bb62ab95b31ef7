// Convolutions that run as one where the device can, against the plan that runs them one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "engine/graph/executor.h"
#include "engine/graph/fusion.h"
#include "engine/graph/net_json.h"
#include "engine/parallel/gradient_sum.h"
#include "engine/train/filler.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// An inception module; `two` stands in for one of its convolutions.
Graph module_graph(const std::string& two = R"("kernel": 1, "outputs": 12)") {
  const std::string text = str(R"({"name": "module", "input": {"shape": [3, 9, 9]}, "defaults": {
      "convolution": {"weight_filler": {"type": "xavier"},
                      "bias_filler": {"type": "constant", "value": 0.1}},
      "inner_product": {"weight_filler": {"type": "xavier"}}}, "layers": [
    {"name": "base", "type": "convolution", "outputs": 16, "kernel": 3, "pad": 1},
    {"name": "base_relu", "type": "relu", "bottom": "base", "top": "base"},
    {"name": "one", "type": "convolution", "bottom": "base", "kernel": 1, "outputs": 8},
    {"name": "one_relu", "type": "relu", "bottom": "one", "top": "one"},
    {"name": "two", "type": "convolution", "bottom": "base", )",
                               two, R"(},
    {"name": "two_relu", "type": "relu", "bottom": "two", "top": "two"},
    {"name": "wide", "type": "convolution", "bottom": "two", "outputs": 8, "kernel": 3, "pad": 1},
    {"name": "three", "type": "convolution", "bottom": "base", "kernel": 1, "outputs": 5},
    {"name": "three_relu", "type": "relu", "bottom": "three", "top": "three"},
    {"name": "pool", "type": "pooling", "bottom": "base", "kernel": 3, "stride": 1, "pad": 1},
    {"name": "join", "type": "concat", "bottom": ["one", "wide", "three", "pool"]},
    {"name": "fc", "type": "inner_product", "outputs": 5},
    {"name": "loss", "type": "softmax_loss", "bottom": ["fc", "label"], "phase": "train"}]})");
  return build_graph(json_net(Json::parse(text), {.phase = Phase::kTrain, .batch = 2}, "test net"));
}

Graph googlenet() {
  return build_graph(load_net(std::filesystem::path(FOVEA_SOURCE_DIR) / "nets/googlenet.json",
                              {.phase = Phase::kTrain, .batch = 1}));
}

std::vector<std::string> labels_of_siblings(const Executor& executor) {
  std::vector<std::string> labels;
  for (const StepInfo& step : executor.steps()) {
    if (step.nodes.size() > 1) labels.push_back(step.label);
  }
  return labels;
}

using Labels = std::vector<std::string>;

// On the devices of our own kernels.
class Siblings : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const std::string reason = missing_device(device()); !reason.empty())
      GTEST_SKIP() << reason;
  }
  static const std::string& device() { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Devices, Siblings, testing::Values("emulated", "cuda"),
                         [](const auto& parameter) { return parameter.param; });

struct Outcome {
  std::vector<std::vector<float>> blobs, gradients;
  std::vector<std::string> params;
};

Outcome run(const Graph& graph, const ExecutorOptions& options) {
  Executor executor(graph, options);
  fill_params(executor, 5);
  const TensorView<float> x = executor.input("data"), labels = executor.input("label");
  std::ranges::copy(random_tensor<float>(x.shape, 7).values, x.data);
  std::ranges::fill(labels.span(), 2.0F);
  executor.forward();
  Outcome outcome;
  for (const char* blob : {"one", "two", "three", "join", "fc", "loss"})
    outcome.blobs.push_back(executor.blob(blob).values);
  executor.backward();
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    outcome.gradients.push_back(executor.param_grad(k));
    outcome.params.push_back(executor.param_info(k).name);
  }
  return outcome;
}

TEST_P(Siblings, GiveWhatEachGivesByItself) {
  const Graph graph = module_graph();
  for (const bool join_in_place : {true, false}) {
    for (const Precision precision : {Precision::kFp32, Precision::kTf32}) {
      ExecutorOptions options{.device = device(),
                              .training = true,
                              .keep = {"one", "two", "three", "join", "fc"},
                              .precision = precision,
                              .join_in_place = join_in_place};
      EXPECT_EQ(labels_of_siblings(Executor(graph, options)),
                Labels{"one+one_relu & two+two_relu & three+three_relu"});
      const Outcome joined = run(graph, options);
      options.join_siblings = false;
      EXPECT_EQ(labels_of_siblings(Executor(graph, options)), Labels{});
      const Outcome apart = run(graph, options);
      EXPECT_EQ(joined.params, apart.params);
      EXPECT_EQ(joined.blobs, apart.blobs);
      // The gradients of the fan-out are added up in another order.
      for (std::size_t k = 0; k < apart.gradients.size(); ++k)
        EXPECT_TRUE(all_near(
            joined.gradients[k], apart.gradients[k],
            (precision == Precision::kFp32 ? 1e-6 : 1e-3) * largest_magnitude(apart.gradients[k])))
            << joined.params[k];
    }
  }
}

TEST_P(Siblings, AreAlikeButForTheirOutputs) {
  const auto labels = [](const std::string& two) {
    return labels_of_siblings(Executor(module_graph(two), {.device = device(), .training = true}));
  };
  const Labels others{"one+one_relu & three+three_relu"};
  EXPECT_EQ(labels(R"("kernel": 3, "pad": 1, "outputs": 12)"), others);
  EXPECT_EQ(labels(R"("kernel": 1, "groups": 2, "outputs": 12)"), others);
  EXPECT_EQ(labels(R"("kernel": 1, "bias": false, "outputs": 12)"), others);
  EXPECT_EQ(labels(R"("kernel": 1, "outputs": 4)"),
            Labels{"one+one_relu & two+two_relu & three+three_relu"});
}

TEST_P(Siblings, AreThreeInEveryModuleOfGoogLeNet) {
  Executor executor(googlenet(), {.device = device(), .training = true});
  const Labels labels = labels_of_siblings(executor);
  ASSERT_EQ(labels.size(), 9U);
  EXPECT_EQ(labels[0],
            "inception_3a/1x1+inception_3a/relu_1x1 & "
            "inception_3a/3x3_reduce+inception_3a/relu_3x3_reduce & "
            "inception_3a/5x5_reduce+inception_3a/relu_5x5_reduce");
  // Parameters are in the net's order all the same, and each is in one part of a backward pass.
  EXPECT_EQ(executor.param_info(6).name, "inception_3a/1x1.weight");
  EXPECT_EQ(executor.param_info(10).name, "inception_3a/3x3.weight");
  std::vector<int> times(executor.param_count());
  for (const GradientPart& part : gradient_parts(executor, std::size_t{1} << 14)) {
    for (const ParamRange& range : part.params) {
      for (std::size_t k = range.first; k < range.end; ++k) ++times[k];
    }
  }
  EXPECT_EQ(times, std::vector<int>(executor.param_count(), 1));
}

TEST_P(Siblings, RunOneByOneWhereTheDeviceOrTheEngineHasNoSuchOperation) {
  const Graph graph = module_graph();
  EXPECT_EQ(labels_of_siblings(Executor(graph, {.training = true})), Labels{});
  EXPECT_EQ(labels_of_siblings(Executor(graph, {.device = "reference", .training = true})),
            Labels{});
  EXPECT_EQ(labels_of_siblings(Executor(
                graph, {.device = device(), .training = true, .engine = EngineChoice::kLibrary})),
            Labels{});
}

}  // namespace
}  // namespace fovea
