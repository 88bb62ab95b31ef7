// Concatenated tensors that are written where they end up, against the plan that copies: the same
// arithmetic in the same order, so the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "engine/graph/executor.h"
#include "engine/graph/net_json.h"
#include "engine/train/filler.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// Three branches of a module with `branch` channels each, joined, then `behind` and a classifier.
NetDefinition module_net(int branch, const std::string& behind, std::int64_t batch) {
  const std::string text = str(R"({"name": "module", "input": {"shape": [32, 9, 9]}, "defaults": {
      "convolution": {"weight_filler": {"type": "xavier"}},
      "inner_product": {"weight_filler": {"type": "xavier"}}}, "layers": [
    {"name": "base", "type": "convolution", "outputs": 32, "kernel": 3, "pad": 1},
    {"name": "base_relu", "type": "relu", "bottom": "base", "top": "base"},
    {"name": "one", "type": "convolution", "bottom": "base", "outputs": )",
                               branch, R"(},
    {"name": "one_relu", "type": "relu", "bottom": "one", "top": "one"},
    {"name": "three", "type": "convolution", "bottom": "base", "outputs": )",
                               branch, R"(, "kernel": 3, "pad": 1},
    {"name": "three_relu", "type": "relu", "bottom": "three", "top": "three"},
    {"name": "five", "type": "convolution", "bottom": "base", "outputs": )",
                               branch, R"(, "kernel": 5, "pad": 2},
    {"name": "pool", "type": "pooling", "bottom": "base", "kernel": 3, "stride": 1, "pad": 1},
    {"name": "join", "type": "concat", "bottom": ["one", "three", "five", "pool"]},)",
                               behind, R"(
    {"name": "fc", "type": "inner_product", "outputs": 5},
    {"name": "loss", "type": "softmax_loss", "bottom": ["fc", "label"], "phase": "train"}]})");
  return json_net(Json::parse(text), {.phase = Phase::kTrain, .batch = batch}, "test net");
}

struct Outcome {
  std::vector<std::vector<float>> blobs, gradients;
  std::vector<std::string> joined;  // labels of the steps that write into slices
};

Outcome run(const Graph& graph, const std::string& device, bool training, bool join) {
  Executor executor(graph,
                    {.device = device, .training = training, .seed = 3, .join_in_place = join});
  fill_params(executor, 5);
  for (const int id : executor.graph().inputs) {
    const TensorInfo& input = executor.graph().tensors[static_cast<std::size_t>(id)];
    const TensorView<float> view = executor.input(input.blob);
    std::ranges::copy(random_tensor<float>(input.shape, 7).values, view.data);
    if (input.blob == "label") std::ranges::fill(view.span(), 2.0F);
  }
  Outcome outcome{.blobs = {}, .gradients = {}, .joined = {}};
  for (const std::uint64_t iteration : {0U, 1U}) {  // twice: nothing may be left from before
    executor.forward(iteration);
    for (const int id : executor.graph().outputs())
      outcome.blobs.push_back(executor.tensor(id).values);
    if (!training) continue;
    executor.backward(iteration);
    for (std::size_t k = 0; k < executor.param_count(); ++k)
      outcome.gradients.push_back(executor.param_grad(k));
  }
  for (const StepInfo& step : executor.steps()) {
    if (step.joined) outcome.joined.push_back(step.label);
  }
  return outcome;
}

// Runs both plans; returns the labels of the steps that write into slices.
std::vector<std::string> expect_same_bits(const Graph& graph, bool training,
                                          const std::string& device = "cpu") {
  const Outcome joined = run(graph, device, training, true),
                copied = run(graph, device, training, false);
  EXPECT_TRUE(copied.joined.empty());
  EXPECT_EQ(joined.blobs, copied.blobs);
  EXPECT_EQ(joined.gradients, copied.gradients);
  EXPECT_GT(std::ranges::max(copied.blobs.back()), 0.0F);
  return joined.joined;
}

using Labels = std::vector<std::string>;

// The tests' own expectations hold where convolutions run in channel blocks.
bool in_blocks(const Graph& graph) {
  const Executor executor(graph, {});
  return std::ranges::any_of(executor.steps(),
                             [](const StepInfo& s) { return s.layout == "nChw16c"; });
}

TEST(Slices, EveryProducerThatCanWritesIntoItsSlice) {
  const Graph graph = build_graph(module_net(16, "", 3));
  if (!in_blocks(graph)) GTEST_SKIP() << "channels are not in blocks of 16 on this machine";
  const Labels all{"one+one_relu", "three+three_relu", "five", "pool"};
  EXPECT_EQ(expect_same_bits(graph, true), all);
  EXPECT_EQ(expect_same_bits(graph, false), all);
}

TEST(Slices, OfOneImageNeedNothingFromTheProducer) {
  const Graph graph = build_graph(module_net(16, "", 1));
  if (!in_blocks(graph)) GTEST_SKIP() << "channels are not in blocks of 16 on this machine";
  const Labels all{"one+one_relu", "three+three_relu", "five", "pool"};
  EXPECT_EQ(expect_same_bits(graph, true), all);
  EXPECT_EQ(expect_same_bits(graph, false), all);
}

TEST(Slices, ChannelsThatFillNoBlockAreCopied) {
  for (const std::int64_t batch : {1, 3}) {
    const Graph graph = build_graph(module_net(13, "", batch));
    EXPECT_EQ(expect_same_bits(graph, true), Labels{});
    EXPECT_EQ(expect_same_bits(graph, false), Labels{});
  }
}

// In place behind the join: the slices are still read by their producers' backward passes.
TEST(Slices, AreNotOverwrittenBehindTheJoin) {
  const std::string in_place =
      R"({"name": "relu", "type": "relu", "bottom": "join", "top": "join"},
         {"name": "drop", "type": "dropout", "bottom": "join", "top": "join"},)";
  for (const std::int64_t batch : {1, 3}) {
    const Graph graph = build_graph(module_net(16, in_place, batch));
    (void)expect_same_bits(graph, true);
    (void)expect_same_bits(graph, false);
  }
}

// One branch in two joins, one of them of joins: only what nobody else reads becomes a slice.
TEST(Slices, OfTensorsWithOtherReadersAreCopied) {
  const std::string behind =
      R"({"name": "again", "type": "concat", "bottom": ["one", "join", "one"]},
         {"name": "last", "type": "convolution", "outputs": 16, "kernel": 3},)";
  for (const std::int64_t batch : {1, 3}) {
    const Graph graph = build_graph(module_net(16, behind, batch));
    for (const bool training : {true, false}) {
      const Labels joined = expect_same_bits(graph, training);
      EXPECT_EQ(std::ranges::count(joined, "one+one_relu"), 0);
      EXPECT_EQ(std::ranges::count(joined, "join"), 0);
    }
  }
}

TEST(Slices, GoogLeNetIsTheSameBitForBit) {
  const auto file = std::filesystem::path(FOVEA_SOURCE_DIR) / "nets/googlenet.json";
  for (const bool training : {true, false}) {
    const Graph graph = build_graph(
        load_net(file, {.phase = training ? Phase::kTrain : Phase::kDeploy, .batch = 2}));
    if (!in_blocks(graph)) GTEST_SKIP() << "channels are not in blocks of 16 on this machine";
    // The four branches of nine modules but for the 3x3 of 3a and 3b: there are tiles enough for
    // Winograd's form, which reads its filters once for all images and keeps its copy.
    const Labels joined = expect_same_bits(graph, training);
    EXPECT_EQ(joined.size(), 34U);
    EXPECT_EQ(std::ranges::count(joined, "inception_3a/3x3+inception_3a/relu_3x3"), 0);
    EXPECT_EQ(std::ranges::count(joined, "inception_4a/3x3+inception_4a/relu_3x3"), 1);
  }
}

// Channels-last, a slice is a band of columns: of any width, and of one image, too.
TEST(Slices, OnADeviceAreBandsOfColumns) {
  const Labels all{"one+one_relu", "three+three_relu", "five", "pool"};
  for (const std::string device : {"emulated", "cuda"}) {
    if (!missing_device(device).empty()) continue;
    for (const int branch : {16, 13}) {
      for (const std::int64_t batch : {1, 2}) {
        const Graph graph = build_graph(module_net(branch, "", batch));
        EXPECT_EQ(expect_same_bits(graph, true, device), all) << device << branch;
        EXPECT_EQ(expect_same_bits(graph, false, device), all) << device << branch;
      }
    }
  }
}

TEST(Slices, AreReadableAsBlobs) {
  const Graph graph = build_graph(module_net(16, "", 3));
  const auto values = [&](const ExecutorOptions& options) {
    Executor executor(graph, options);
    fill_params(executor, 5);
    const TensorView<float> x = executor.input("data");
    std::ranges::copy(random_tensor<float>(x.shape, 7).values, x.data);
    executor.forward();
    return executor.blob("five").values;
  };
  EXPECT_EQ(values({.keep = {"five"}}), values({.keep_all = true}));
  if (!missing_device("emulated").empty()) return;
  EXPECT_EQ(values({.device = "emulated", .keep = {"five"}}),
            values({.device = "emulated", .keep_all = true}));
}

}  // namespace
}  // namespace fovea
