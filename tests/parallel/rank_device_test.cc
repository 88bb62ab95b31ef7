// Which GPU a rank takes, and that two on one are refused.
#include "engine/parallel/rank_device.h"

#include <gtest/gtest.h>

#include "engine/core/error.h"
#include "tests/parallel/thread_ranks.h"

namespace fovea {
namespace {

TEST(RankDevice, IsTheGpuOfTheRanksNumberOnItsMachine) {
  EXPECT_EQ(device_of_rank("cuda", 0, 4), "cuda:0");
  EXPECT_EQ(device_of_rank("cuda", 3, 4), "cuda:3");
  EXPECT_EQ(device_of_rank("cudnn", 1, 4), "cudnn:1");
  // Each rank sees its own GPU alone.
  EXPECT_EQ(device_of_rank("cuda", 3, 1), "cuda:0");
  // What is named stays, also where there is no GPU: the device itself says what is missing.
  EXPECT_EQ(device_of_rank("cuda:2", 0, 4), "cuda:2");
  EXPECT_EQ(device_of_rank("cpu", 1, 4), "cpu");
  EXPECT_EQ(device_of_rank("cuda", 1, 0), "cuda");
  EXPECT_EQ(device_without_number("cuda:12"), "cuda");
  EXPECT_EQ(device_without_number("emulated"), "emulated");
}

TEST(RankDevice, NoTwoRanksAreOnOneGpu) {
  run_ranks(3, [](Communicator& ranks) {
    const std::string units[] = {"0000:01:00.0", "0000:02:00.0", "0000:01:00.0"};
    const auto rank = static_cast<std::size_t>(ranks.rank());
    // Launchers may call every rank's GPU the first.
    EXPECT_NO_THROW(require_a_gpu_each(ranks, "cuda:0", str("0000:0", rank, ":00.0")));
    EXPECT_NO_THROW(require_a_gpu_each(ranks, "emulated", ""));
    try {
      require_a_gpu_each(ranks, str("cuda:", rank), units[rank]);
      ADD_FAILURE() << "rank " << rank << " went on";
    } catch (const Error& error) {
      const std::string words = error.what();
      EXPECT_TRUE(
          words.starts_with("ranks 0 and 2 on one GPU: cuda:0 and cuda:2, 0000:01:00.0 of "))
          << words;
      EXPECT_TRUE(words.ends_with(", expected a GPU for each rank")) << words;
    }
  });
}

}  // namespace
}  // namespace fovea
