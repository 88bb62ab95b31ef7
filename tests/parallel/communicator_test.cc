// Sums, broadcasts and agreement of ranks, with threads for ranks.
#include "engine/parallel/communicator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/core/random.h"
#include "tests/parallel/thread_ranks.h"
#include "tests/support/message_of.h"

namespace fovea {
namespace {

// Values of very different sizes: another order of adding gives other bits.
std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const RandomKey key{.seed = static_cast<std::uint64_t>(rank) + 1};
    values[i] = i < 1000 ? random_normal(key, i) : values[i - 1000] * 0.99F;
    if (i < 1000 && i % 3 == 0) values[i] *= 1e4F;
  }
  return values;
}

class Sums : public testing::TestWithParam<std::tuple<int, std::size_t, Sharing>> {};

TEST_P(Sums, AreInTheOrderOfTheRanksOnEveryRank) {
  const auto [size, count, sharing] = GetParam();
  std::vector<float> expected = values_of(0, count);
  for (int r = 1; r < size; ++r) {
    const std::vector<float> part = values_of(r, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += part[i];
  }
  const auto sum_one = [&, count = count](Communicator& ranks) {
    std::vector<float> values = values_of(ranks.rank(), count);
    ranks.sum(values, "values");
    EXPECT_EQ(values, expected) << "rank " << ranks.rank();
  };
  run_ranks(size, sum_one, sharing);
}

// Fewer values than ranks; one exchange and two; slices that do not divide; several pieces.
INSTANTIATE_TEST_SUITE_P(Sizes, Sums,
                         testing::Combine(testing::Values(1, 2, 3, 5),
                                          testing::Values<std::size_t>(0, 1, 1024, 1025, 20011,
                                                                       (2U << 20) + 3),
                                          testing::Values(Sharing::kMessages, Sharing::kMemory)));

// One behind the other, each from what the last one left: a window that is written too early, or
// read too late, gives other numbers on one of the ranks.
TEST(SumsInWindows, DoNotOvertakeEachOther) {
  constexpr int kSums = 200;
  constexpr std::size_t kCount = 3000;
  std::vector<std::vector<float>> expected;
  for (const Sharing sharing : {Sharing::kMessages, Sharing::kMemory}) {
    std::vector<std::vector<float>> results(3);
    const auto sum_all = [&](Communicator& ranks) {
      std::vector<float> values = values_of(ranks.rank(), kCount);
      for (int i = 0; i < kSums; ++i) {
        ranks.sum(values, "values");
        for (std::size_t k = 0; k < kCount; ++k)
          values[k] = values[k] * 0.3F + static_cast<float>(ranks.rank()) * 0.01F;
      }
      ranks.sum(values, "values");
      results[static_cast<std::size_t>(ranks.rank())] = values;
    };
    run_ranks(3, sum_all, sharing);
    EXPECT_EQ(results[1], results[0]);
    EXPECT_EQ(results[2], results[0]);
    if (expected.empty()) expected = results;
    EXPECT_EQ(results, expected);
  }
}

TEST(SumsInWindows, OfDoubles) {
  run_ranks(
      2,
      [](Communicator& ranks) {
        std::vector<double> values(5000, 1e-17 + ranks.rank());
        ranks.sum(values, "values");
        EXPECT_EQ(values, std::vector<double>(5000, 1e-17 + (1e-17 + 1)));
      },
      Sharing::kMemory);
}

TEST(SumsInWindows, ARankThatIsGoneIsNamed) {
  run_ranks(
      2,
      [](Communicator& ranks) {
        if (!ranks.first()) return;
        std::vector<float> values(5000);
        EXPECT_EQ(message_of([&] { ranks.sum(values, "the gradients"); }),
                  "no longer there: rank 1, the gradients");
      },
      Sharing::kMemory);
}

TEST(Communicator, SumsDoubles) {
  run_ranks(3, [](Communicator& ranks) {
    double values[] = {1.0 + ranks.rank(), 1e-17};
    ranks.sum(values, "values");
    EXPECT_EQ(values[0], 6.0);
    EXPECT_EQ(values[1], 1e-17 + 1e-17 + 1e-17);
  });
}

TEST(Communicator, BroadcastsRankZerosBytesAndText) {
  run_ranks(3, [](Communicator& ranks) {
    std::int64_t number = ranks.rank() + 40;
    ranks.broadcast(std::as_writable_bytes(std::span(&number, 1)), "a number");
    EXPECT_EQ(number, 40);
    EXPECT_EQ(ranks.broadcast(std::string(static_cast<std::size_t>(ranks.rank()) + 2, 'x'), "text"),
              "xx");
    EXPECT_EQ(ranks.broadcast(ranks.first() ? std::string() : std::string("y"), "no text"), "");
  });
}

TEST(Communicator, GathersWhatEveryRankSays) {
  run_ranks(3, [](Communicator& ranks) {
    const std::string said[] = {"zero \xff", "", std::string("a\0b", 3)};
    const auto all = ranks.gather(said[ranks.rank()], "words");
    EXPECT_EQ(all, (std::vector<std::string>{said[0], said[1], said[2]}));
    EXPECT_EQ(ranks.gather("", "nothing"), std::vector<std::string>(3));
  });
  run_ranks(1, [](Communicator& ranks) {
    EXPECT_EQ(ranks.gather("alone", "words"), std::vector<std::string>{"alone"});
  });
}

TEST(Communicator, TheRankThatDiffersIsNamed) {
  run_ranks(1, [](Communicator& ranks) { ranks.require_same("here", "config"); });
  run_ranks(2, [](Communicator& ranks) {
    try {
      ranks.require_same(ranks.first() ? "2 threads" : "1 thread", "computation");
      ADD_FAILURE() << "rank " << ranks.rank() << " went on";
    } catch (const Error& error) {
      if (ranks.first()) return;  // nobody answers it
      EXPECT_STREQ(error.what(), "computation of rank 1: 1 thread, expected 2 threads as rank 0");
    }
  });
}

// Signs of life come every 5 ms here.
TEST(Communicator, TheOthersWaitForWorkOfTheFirst) {
  std::atomic<int> worked = 0;
  run_ranks(3, [&](Communicator& ranks) {
    for (const int ms : {0, 60}) {
      const int before = worked;
      ranks.barrier("the start");
      ranks.first_does(
          [&] {
            EXPECT_TRUE(ranks.first());
            std::this_thread::sleep_for(std::chrono::milliseconds(ms));
            ++worked;
          },
          "work");
      EXPECT_EQ(worked, before + 1);
      double one[] = {1};
      ranks.sum(one, "what comes next");  // nothing of the signs is left over
      EXPECT_EQ(one[0], 3);
    }
  });
}

TEST(Communicator, WhatGoesWrongInWorkOfTheFirstComesOut) {
  run_ranks(2, [](Communicator& ranks) {
    const std::string message =
        message_of([&] { ranks.first_does([] { throw Error("a full disk"); }, "the file"); });
    EXPECT_EQ(message, ranks.first() ? "a full disk" : "no longer there: rank 0, the file");
  });
  const auto alone = join_ranks(1);
  int worked = 0;
  alone->first_does([&] { ++worked; }, "work");
  EXPECT_EQ(worked, 1);
}

TEST(Communicator, WithoutALauncherThereIsOneRank) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"})
    ::unsetenv(name);
  EXPECT_FALSE(launched_as_rank());
  const auto ranks = join_ranks(1);
  EXPECT_EQ(ranks->size(), 1);
  std::vector<float> values{1, 2};
  ranks->sum(values, "values");
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    ::setenv(name, "2", 1);
    EXPECT_TRUE(launched_as_rank()) << name;
    ::setenv(name, "1", 1);
    EXPECT_FALSE(launched_as_rank()) << name;
    ::unsetenv(name);
  }
  ::setenv("PMIX_RANK", "0", 1);
  EXPECT_TRUE(launched_as_rank());
  ::setenv("SLURM_STEP_NUM_TASKS", "1", 1);
  EXPECT_FALSE(launched_as_rank());
  ::unsetenv("PMIX_RANK"), ::unsetenv("SLURM_STEP_NUM_TASKS");
}

}  // namespace
}  // namespace fovea
