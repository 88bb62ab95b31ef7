// Which gradients are summed when, and that a sum beside the backward pass is the plain sum.
#include "engine/parallel/gradient_sum.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/core/json_fields.h"
#include "engine/graph/net_json.h"
#include "engine/parallel/host_sum.h"
#include "tests/parallel/thread_ranks.h"

namespace fovea {
namespace {

// Parameters of 3x2x3x3, 4x(3x8x8), 2x4 floats and biases; the middle layer is frozen on demand.
Graph toy(bool frozen) {
  Json net = Json::parse(R"({
    "name": "Toy", "input": {"name": "data", "shape": [2, 10, 10]},
    "layers": [
      {"name": "conv", "type": "convolution", "outputs": 3, "kernel": 3},
      {"name": "fc1", "type": "inner_product", "outputs": 4},
      {"name": "relu", "type": "relu"},
      {"name": "fc2", "type": "inner_product", "outputs": 2},
      {"name": "loss", "type": "softmax_loss", "bottom": ["fc2", "label"], "phase": ["train"]}
    ]})");
  NetDefinition definition = json_net(net, {.phase = Phase::kTrain, .batch = 4}, "toy");
  Graph graph = build_graph(definition);
  for (Node& node : graph.nodes) {
    for (ParamInfo& param : node.params) {
      if (frozen && node.name == "fc1") param.lr_mult = 0;
    }
  }
  return graph;
}

Executor make_executor(bool frozen) {
  return Executor(toy(frozen), {.device = "reference", .training = true});
}

// Names of the parameters that each float of the gradients belongs to, counted by bucket.
std::vector<int> covered(Executor& executor, const std::vector<GradientBucket>& buckets) {
  const std::size_t last = executor.param_count() - 1;
  const auto count = executor.packed_grad(last).data() + executor.packed_grad(last).size() -
                     executor.packed_grad(0).data();
  std::vector<int> times(static_cast<std::size_t>(count));
  for (const GradientBucket& b : buckets) {
    for (std::size_t i = 0; i < b.count; ++i) ++times.at(b.first + i);
  }
  return times;
}

TEST(GradientBuckets, CoverEveryGradientOnceAndNoFrozenOne) {
  for (const bool frozen : {false, true}) {
    for (const std::size_t floats : {std::size_t{1}, std::size_t{100}, std::size_t{1} << 20}) {
      Executor executor = make_executor(frozen);
      const auto times = covered(executor, gradient_buckets(executor, floats));
      for (std::size_t k = 0; k < executor.param_count(); ++k) {
        const auto first = executor.packed_grad(k).data() - executor.packed_grad(0).data();
        const bool learns = executor.param_info(k).lr_mult != 0;
        for (std::size_t i = 0; i < executor.packed_grad(k).size(); ++i)
          ASSERT_EQ(times[static_cast<std::size_t>(first) + i], learns ? 1 : 0)
              << executor.param_info(k).name << " " << floats;
      }
    }
  }
}

TEST(GradientBuckets, ComeFromTheEndInPiecesOfAtMostTheSize) {
  Executor executor = make_executor(false);
  const auto buckets = gradient_buckets(executor, 100);
  ASSERT_GT(buckets.size(), 5U);
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    EXPECT_LE(buckets[i].count, 100U);
    EXPECT_LE(buckets[i].step, buckets[i > 0 ? i - 1 : 0].step);
  }
  EXPECT_EQ(buckets.front().names, "the gradients of fc1.bias .. fc2.bias");
  const auto whole = gradient_buckets(executor, 1U << 20);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].names, "the gradients of conv.weight .. fc2.bias");
}

// Parts that overlap in nothing and leave out nothing, each with the parameters of its steps.
TEST(GradientParts, AreABackwardPass) {
  for (const bool frozen : {false, true}) {
    for (const std::size_t floats : {std::size_t{1}, std::size_t{100}, kBucketFloats}) {
      Executor executor = make_executor(frozen);
      const auto steps = executor.steps();
      std::size_t end_step = steps.size(), end_param = executor.param_count(), buckets = 0;
      const auto param_count = [&](const StepInfo& step) {
        std::size_t count = 0;
        for (const int node : step.nodes)
          count += executor.graph().nodes[static_cast<std::size_t>(node)].params.size();
        return count;
      };
      for (const GradientPart& part : gradient_parts(executor, floats)) {
        EXPECT_EQ(part.end_step, end_step);
        EXPECT_LT(part.first_step, part.end_step);
        std::size_t first_param = end_param;
        for (std::size_t s = part.first_step; s < part.end_step; ++s)
          first_param -= param_count(steps[s]);
        ASSERT_EQ(part.params.size(), first_param < end_param ? 1U : 0U);
        if (first_param < end_param) {
          EXPECT_EQ(part.params[0].first, first_param);
          EXPECT_EQ(part.params[0].end, end_param);
        }
        for (const GradientBucket& bucket : part.buckets) EXPECT_EQ(bucket.step, part.first_step);
        end_step = part.first_step, end_param = first_param, buckets += part.buckets.size();
      }
      EXPECT_EQ(end_step, 0U);
      EXPECT_EQ(end_param, 0U);
      EXPECT_EQ(buckets, gradient_buckets(executor, floats).size());
    }
  }
}

// Every sum is begun behind the part that makes its gradients, before the next part runs.
TEST(GradientSum, BeginsASumAsSoonAsItsGradientsAreThere) {
  class Recorder final : public DeviceSum {
   public:
    std::string name() const override { return "recorder"; }
    void start(std::span<float> values, const std::string&) override {
      sizes.push_back(values.size());
    }
    void finish() override { ++finished; }
    std::vector<std::size_t> sizes;
    int finished = 0;
  };
  Executor executor = make_executor(false);
  Recorder recorder;
  GradientSum sum(recorder, executor, 100);
  ASSERT_GE(sum.parts().size(), 2U);
  sum.begin(executor.packed_grad(0).data());
  EXPECT_ANY_THROW(sum.finish());  // nothing of the pass is there
  std::size_t expected = 0;
  for (const GradientPart& part : sum.parts()) {
    EXPECT_EQ(recorder.sizes.size(), expected);
    expected += part.buckets.size();
    sum.part_done();
  }
  EXPECT_EQ(recorder.sizes.size(), gradient_buckets(executor, 100).size());
  sum.finish();
  EXPECT_EQ(recorder.finished, 1);
}

TEST(GradientSum, IsThePlainSumForEverySizeOfBuckets) {
  for (const std::size_t floats : {std::size_t{7}, std::size_t{64}, kBucketFloats}) {
    run_ranks(3, [&](Communicator& ranks) {
      Executor executor = make_executor(false);
      HostSum by_hosts(ranks, executor.device());
      GradientSum sum(by_hosts, executor, floats);
      const std::size_t count = covered(executor, {}).size();
      for (int pass = 0; pass < 3; ++pass) {
        std::vector<float> gradients(count);
        std::iota(gradients.begin(), gradients.end(), static_cast<float>(ranks.rank() * pass));
        sum.begin(gradients.data());
        for (std::size_t part = 0; part < sum.parts().size(); ++part) sum.part_done();
        sum.finish();
        const auto times = covered(executor, gradient_buckets(executor, floats));
        for (std::size_t i = 0; i < count; ++i) {
          if (times[i] == 0) continue;  // padding
          ASSERT_EQ(gradients[i], 3 * static_cast<float>(i) + static_cast<float>(3 * pass));
        }
      }
    });
  }
}

}  // namespace
}  // namespace fovea
