// Sums by the hosts of values in the hosts' memory and in another.
#include "engine/parallel/host_sum.h"

#include <gtest/gtest.h>

#include "engine/backend/host_device.h"
#include "tests/parallel/other_memory.h"
#include "tests/parallel/thread_ranks.h"

namespace fovea {
namespace {

std::vector<float> values_of(int rank, std::size_t count, int pass) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>((rank + 1) * (pass + 1)) + static_cast<float>(i);
  return values;
}

// Several at once, several passes, whose pieces need not be the same.
void expect_sums(Communicator& ranks, Device& device) {
  HostSum sum(ranks, device);
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<std::vector<float>> pieces;
    for (const std::size_t count : {5000, 1, 0, 37})
      pieces.push_back(values_of(ranks.rank(), count + static_cast<std::size_t>(pass), pass));
    for (auto& piece : pieces) sum.start(piece, "a piece");
    sum.finish();
    for (const auto& piece : pieces) {
      std::vector<float> expected(piece.size());
      for (int r = 0; r < ranks.size(); ++r) {
        const auto part = values_of(r, piece.size(), pass);
        for (std::size_t i = 0; i < part.size(); ++i) expected[i] += part[i];
      }
      EXPECT_EQ(piece, expected);
    }
  }
}

TEST(HostSum, AddsUpWhereTheValuesLie) {
  run_ranks(3, [](Communicator& ranks) { expect_sums(ranks, *open_host_device()); });
}

TEST(HostSum, BringsValuesOfAnotherMemoryToTheHostAndBack) {
  run_ranks(3, [](Communicator& ranks) {
    OtherMemory device;
    expect_sums(ranks, device);
    EXPECT_EQ(device.downloads, 3 * 4);
    EXPECT_EQ(device.uploads, 3 * 4);
  });
}

TEST(HostSum, AnErrorOfTheThreadComesOutOfFinish) {
  Mailboxes nobody;
  ThreadRank lonely(nobody, 0, 2);
  const auto device = open_host_device();
  HostSum sum(lonely, *device);
  std::vector<float> values(3);
  sum.start(values, "a piece");
  lonely.cancel();
  EXPECT_THROW(sum.finish(), Error);
}

TEST(HostSum, IsGivenUpInTheMiddle) {
  Mailboxes nobody;
  ThreadRank lonely(nobody, 0, 2);
  const auto device = open_host_device();
  std::vector<float> values(3);
  HostSum sum(lonely, *device);
  sum.start(values, "a piece");
  // The destructor returns although rank 1 never answers.
}

}  // namespace
}  // namespace fovea
