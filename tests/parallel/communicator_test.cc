// Sums, broadcasts and agreement of ranks, with threads for ranks.
#include "engine/parallel/communicator.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/core/random.h"
#include "tests/parallel/thread_ranks.h"

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

class Sums : public testing::TestWithParam<std::tuple<int, std::size_t>> {};

TEST_P(Sums, AreInTheOrderOfTheRanksOnEveryRank) {
  const auto [size, count] = GetParam();
  std::vector<float> expected = values_of(0, count);
  for (int r = 1; r < size; ++r) {
    const std::vector<float> part = values_of(r, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += part[i];
  }
  run_ranks(size, [&, count = count](Communicator& ranks) {
    std::vector<float> values = values_of(ranks.rank(), count);
    ranks.sum(values, "values");
    EXPECT_EQ(values, expected) << "rank " << ranks.rank();
  });
}

// Fewer values than ranks; one exchange and two; slices that do not divide; several pieces.
INSTANTIATE_TEST_SUITE_P(Sizes, Sums,
                         testing::Combine(testing::Values(1, 2, 3, 5),
                                          testing::Values<std::size_t>(0, 1, 1024, 1025, 20011,
                                                                       (2U << 20) + 3)));

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
