// `fovea bench kernels` and `bench compare`, and the timing below them.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/backend/registry.h"
#include "engine/bench/step_bench.h"
#include "engine/core/json_fields.h"
#include "engine/train/filler.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

// The toy net with weights and an input, for training.
class Toy : public Executor {
 public:
  Toy(Graph graph, std::string_view device)
      : Executor(std::move(graph), {.device = std::string(device), .training = true}) {
    fill_params(*this, 1);
    const TensorView<float> x = input("data");
    for (std::int64_t i = 0; i < x.count(); ++i) x.data[i] = static_cast<float>(i % 7) - 3;
  }
};

class BenchKernels : public testing::Test {
 protected:
  BenchKernels() { write_toy_net(folder_ / "toy.json"); }

  [[nodiscard]] std::string net() const { return (folder_ / "toy.json").string(); }
  [[nodiscard]] CommandResult run(std::vector<std::string> more) const {
    more.insert(more.begin(), {"bench", "kernels", "--nets", net(), "--batch", "2", "--runs", "3"});
    return run_command(folder_.path(), more);
  }
  [[nodiscard]] CommandResult compare(const std::string& a, const std::string& b) const {
    return run_command(folder_.path(), {"bench", "compare", (folder_ / a).string(),
                                        (folder_ / b).string(), "--json"});
  }
  [[nodiscard]] Graph graph() const {
    return build_graph(load_net(net(), {.phase = Phase::kTrain, .batch = 2}));
  }

  TemporaryFolder folder_;
};

TEST_F(BenchKernels, EveryStepIsTimedWithWhatItHasToDo) {
  const CommandResult result = run({"--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json found = Json::parse(result.out);
  EXPECT_GT(found["copy_bytes_per_s"], 1e8);
  EXPECT_EQ(found["environment"]["device"], "cpu");
  EXPECT_EQ(found["caches"], "cold");
  std::set<std::pair<std::string, std::string>> passes;
  for (const Json& step : found["nets"][0]["steps"]) {
    passes.emplace(step["op"], step["pass"]);
    EXPECT_GT(step["median_s"], 0.0);
    EXPECT_LE(step["min_s"], step["median_s"]);
    EXPECT_LE(step["median_s"], step["max_s"]);
    if (step["op"] != "convolution") continue;
    // 2 images of 6 x 4 x 4 values by 3 x 3 x 3 products of two operations; the data is an input.
    EXPECT_EQ(step["flop"], 2.0 * 2 * 6 * 4 * 4 * 27);
    EXPECT_EQ(step["problem"], "2 3 10 10  6 3 3  2 2  0 0  1");
    EXPECT_EQ(step["data"], false);
  }
  for (const char* op : {"convolution", "pooling", "dropout", "inner_product", "softmax_loss"}) {
    EXPECT_TRUE(passes.contains({op, "forward"})) << op;
    EXPECT_TRUE(passes.contains({op, "backward"})) << op;
  }
}

TEST_F(BenchKernels, AFilterChoosesSteps) {
  const CommandResult result = run({"--filter", "^po+l", "--mode", "forward", "--warm", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json steps = Json::parse(result.out)["nets"][0]["steps"];
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0]["step"], "pool");
  expect_mistake(run({"--filter", "nothing"}), {"--filter", "nothing", "toy.json"});
  expect_mistake(run({"--filter", "(pool"}), {"--filter", "(pool", "regular expression"});
}

// Our own code has only its plain loops for this convolution.
TEST_F(BenchKernels, StepsAreTimedBesideAnotherEngine) {
  const std::vector<std::string> own{"--engine", "own",     "--mode", "forward",
                                     "--filter", "conv|po", "--json"};
  const CommandResult result = run(own);
  ASSERT_EQ(result.code, 0) << result.err;
  const Json steps = Json::parse(result.out)["nets"][0]["steps"];
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0]["implementation"], "reference");
  EXPECT_EQ(steps[0]["against"]["implementation"], "onednn:convolution");
  EXPECT_NEAR(steps[0]["against"]["ratio"].get<double>() * steps[0]["median_s"].get<double>(),
              steps[0]["against"]["median_s"].get<double>(), 1e-9);
  EXPECT_FALSE(steps[1].contains("against")) << "pooling is ours in both";
}

TEST_F(BenchKernels, StepsOfAWalkAreTimed) {
  const CommandResult result = run({"--mode", "relevance", "--rule", "epsilon", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json found = Json::parse(result.out)["nets"][0];
  EXPECT_EQ(found["rule"], "epsilon");
  std::vector<std::string> names;
  for (const Json& step : found["steps"]) {
    names.push_back(step["step"]);
    EXPECT_EQ(step["pass"], "relevance");
    EXPECT_GT(step["median_s"], 0.0);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"scores", "pool", "conv"}));
  EXPECT_EQ(found["steps"][2]["flop"], 4.0 * 2 * 6 * 4 * 4 * 27);
  expect_mistake(run({"--mode", "relevance", "--rule", "no-such-rule"}), {"no-such-rule"});
}

TEST_F(BenchKernels, TheTableNamesStepsAndImplementations) {
  const CommandResult result = run({});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* part : {"GB/s", "conv+relu", "onednn:convolution", "backward"})
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " is not in " << result.out;
}

// Each step repeated at its place leaves what an undisturbed pass computes, on every device.
TEST_F(BenchKernels, RepeatingStepsDoesNotChangeAPass) {
  for (const std::string_view device : known_devices()) {
    Toy timed(graph(), device), plain(graph(), device);
    (void)bench_steps(timed, {.runs = 2, .cold = false, .wanted = {}, .found = {}});
    plain.forward(), plain.backward();
    timed.forward(), timed.backward();
    for (std::size_t k = 0; k < plain.param_count(); ++k)
      EXPECT_EQ(timed.param_grad(k), plain.param_grad(k)) << device << ", parameter " << k;
  }
}

// After keep_inputs() what the host wrote stays where it is.
TEST_F(BenchKernels, KeptInputsAreNotUploadedAgain) {
  Toy net(graph(), "emulated");
  net.forward();
  const double before = net.loss();
  net.keep_inputs();
  const TensorView<float> x = net.input("data");
  std::fill_n(x.data, x.count(), 100.0F);
  net.forward();
  EXPECT_EQ(net.loss(), before);
}

TEST_F(BenchKernels, ADeviceRunsOnceMoreThanItTimes) {
  for (const std::string_view name : known_devices()) {
    const std::shared_ptr<Device> device = open_device(std::string(name));
    int calls = 0;
    const std::vector<double> seconds = device->time([&] { ++calls; }, 3, /*cold=*/false);
    EXPECT_EQ(calls, 4) << name;
    ASSERT_EQ(seconds.size(), 3U) << name;
    for (const double s : seconds) EXPECT_GE(s, 0) << name;
  }
}

TEST_F(BenchKernels, CompareGivesRatiosAndTheirMeans) {
  const auto result = [](double conv, double pool) {
    return str(R"({"nets": [{"net": "toy", "mode": "train", "batch": 2, "steps": [
      {"step": "conv1", "op": "convolution", "pass": "forward", "median_s": )",
               conv, R"(},
      {"step": "conv2", "op": "convolution", "pass": "forward", "median_s": 1},
      {"step": "pool", "op": "pooling", "pass": "forward", "median_s": )",
               pool, "}]}]}");
  };
  write_file(folder_ / "a.json", result(4, 3));
  write_file(folder_ / "b.json", result(1, 6));
  write_file(folder_ / "other.json", R"({"nets": []})");
  write_file(folder_ / "wrong.json", R"({"nets": [{"net": "toy"}]})");
  const CommandResult found = compare("a.json", "b.json");
  ASSERT_EQ(found.code, 0) << found.err;
  const Json json = Json::parse(found.out);
  EXPECT_EQ(json["steps"].size(), 3U);
  EXPECT_EQ(json["steps"][0]["step"], "toy/train2/conv1/forward");
  EXPECT_EQ(json["steps"][0]["ratio"], 4.0);
  ASSERT_EQ(json["groups"].size(), 2U);
  EXPECT_EQ(json["groups"][0]["group"], "convolution, forward");
  EXPECT_NEAR(json["groups"][0]["ratio"].get<double>(), 2, 1e-12);  // of 4 and 1
  EXPECT_NEAR(json["groups"][1]["ratio"].get<double>(), 0.5, 1e-12);
  expect_mistake(compare("a.json", "other.json"), {"share no step"});
  expect_mistake(compare("a.json", "wrong.json"), {"wrong.json", "bench kernels --json"});
  expect_mistake(compare("a.json", "missing.json"), {"missing.json"});
}

}  // namespace
}  // namespace fovea
