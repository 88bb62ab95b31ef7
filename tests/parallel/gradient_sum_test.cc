// Which gradients are summed when, and that a sum beside the backward pass is the plain sum.
#include "engine/parallel/gradient_sum.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/core/json_fields.h"
#include "engine/graph/net_json.h"
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

TEST(GradientSum, IsThePlainSumForEverySizeOfBuckets) {
  for (const std::size_t floats : {std::size_t{7}, std::size_t{64}, kBucketFloats}) {
    run_ranks(3, [&](Communicator& ranks) {
      Executor executor = make_executor(false);
      GradientSum sum(ranks, executor, floats);
      const std::size_t count = covered(executor, {}).size();
      for (int pass = 0; pass < 3; ++pass) {
        std::vector<float> gradients(count);
        std::iota(gradients.begin(), gradients.end(), static_cast<float>(ranks.rank() * pass));
        sum.begin(gradients.data());
        for (std::size_t step = sum.steps(); step-- > 0;) sum.step_done(step);
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

TEST(GradientSum, AnErrorOfTheThreadComesOutOfFinish) {
  run_ranks(1, [](Communicator&) {
    Mailboxes nobody;
    ThreadRank lonely(nobody, 0, 2);
    Executor executor = make_executor(false);
    GradientSum sum(lonely, executor);
    sum.begin(executor.packed_grad(0).data());
    for (std::size_t step = sum.steps(); step-- > 0;) sum.step_done(step);
    lonely.cancel();
    EXPECT_THROW(sum.finish(), Error);
  });
}

TEST(GradientSum, IsGivenUpInTheMiddleOfAPass) {
  Mailboxes nobody;
  ThreadRank lonely(nobody, 0, 2);
  Executor executor = make_executor(false);
  GradientSum sum(lonely, executor);
  sum.begin(executor.packed_grad(0).data());
  sum.step_done(0);
  // The destructor returns although rank 1 never answers.
}

}  // namespace
}  // namespace fovea
