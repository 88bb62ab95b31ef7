// A batch on several ranks, threads here, gives what one executor makes of the whole.
#include "engine/train/data_parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/backend/registry.h"
#include "tests/parallel/shared_training.h"
#include "tests/parallel/thread_ranks.h"

namespace fovea {
namespace {

void expect_close(const Trained& one, const Trained& other) {
  for (int step = 0; step < kSteps; ++step)
    EXPECT_NEAR(one.losses[static_cast<std::size_t>(step)],
                other.losses[static_cast<std::size_t>(step)], 1e-5);
  for (std::size_t k = 0; k < one.params.size(); ++k) {
    float largest = 0, difference = 0;
    for (std::size_t i = 0; i < one.params[k].size(); ++i) {
      largest = std::max(largest, std::abs(one.params[k][i]));
      difference = std::max(difference, std::abs(one.params[k][i] - other.params[k][i]));
    }
    EXPECT_LE(difference, 0x1p-18F * largest) << "parameter " << k << ", largest " << largest;
  }
}

class SharedBatch : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(SharedBatch, TrainsWhatOneExecutorDoes) {
  const auto& [device, loss] = GetParam();
  if (!missing_device(device).empty()) GTEST_SKIP() << missing_device(device);
  SolverParams plain{.base_lr = 0.05F, .policy = LrPolicy::kFixed};
  SolverParams all = plain;
  all.iter_size = 3, all.clip_gradients = 0.5F;
  for (const SolverParams& params : {plain, all}) {
    const Trained expected = train(device, loss, params, nullptr);
    for (const int size : {2, 4}) {
      std::vector<Trained> trained(static_cast<std::size_t>(size));
      run_ranks(size, [&, device = device, loss = loss](Communicator& ranks) {
        trained[static_cast<std::size_t>(ranks.rank())] = train(device, loss, params, &ranks);
      });
      expect_close(expected, trained[0]);
      for (const Trained& rank : trained) {
        EXPECT_EQ(rank.params, trained[0].params);
        EXPECT_EQ(rank.losses, trained[0].losses);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Losses, SharedBatch,
    testing::Combine(testing::Values("cpu", "reference", "emulated"),
                     testing::Values("{}", R"({"has_ignore_label": true, "ignore_label": 0})",
                                     R"({"has_ignore_label": true, "ignore_label": 0,
                                         "normalize": false})",
                                     R"({"class_weights": [0.01, 1, 2, 3], "ordinal_sigma": 1})")));

TEST(SharedBatchLoss, OfIgnoredLabelsAloneIsZero) {
  run_ranks(2, [](Communicator& ranks) {
    Executor executor(toy(R"({"has_ignore_label": true, "ignore_label": 0})", 2),
                      {.device = "cpu", .training = true});
    DataParallel shared(ranks, executor);
    std::ranges::fill(executor.input("label").span(), 0.0F);
    shared.share_losses();
    executor.forward();
    EXPECT_EQ(executor.blob("loss").values[0], 0.0F);
    // The other loss counts all four images.
    EXPECT_GT(executor.blob("aux_loss").values[0], 0.0F);
  });
}

TEST(SharedBatchLoss, OfLabelsThatTheNetMakesIsRefused) {
  Json net = Json::parse(R"({
    "name": "Toy", "input": {"name": "data", "shape": [3, 1, 1]},
    "layers": [
      {"name": "scores", "type": "inner_product", "outputs": 2},
      {"name": "made", "type": "relu", "bottom": "label", "top": "made"},
      {"name": "loss", "type": "softmax_loss", "bottom": ["scores", "made"]}
    ]})");
  Executor executor(build_graph(json_net(net, {.phase = Phase::kTrain, .batch = 2}, "toy")),
                    {.device = "cpu", .training = true});
  Mailboxes boxes;
  ThreadRank rank(boxes, 0, 2);
  try {
    DataParallel shared(rank, executor);
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "labels of loss: made by the net, expected an input with 2 ranks");
  }
}

TEST(SharedBatchLoss, OneRankToldToStopStopsAll) {
  run_ranks(3, [](Communicator& ranks) {
    Executor executor(toy("{}", 4), {.device = "cpu", .training = true});
    DataParallel shared(ranks, executor);
    double losses[] = {1.0, 2.0};
    shared.finish(losses, false);
    EXPECT_FALSE(shared.stop_agreed());
    EXPECT_EQ(losses[1], 6.0);
    shared.finish(losses, ranks.rank() == 2);
    EXPECT_TRUE(shared.stop_agreed());
  });
}

}  // namespace
}  // namespace fovea
