// Sums over ranks by NCCL: their bits, and how a rank that is silent, lost or wrong is named.
#include "kernels/nccl/ranks_sum.h"

#include "engine/backend/registry.h"
#include "engine/core/random.h"
#include "tests/nccl/fake_nccl.h"
#include "tests/parallel/thread_ranks.h"
#include "tests/support/message_of.h"

namespace fovea {
namespace {

std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  const RandomKey key{.seed = static_cast<std::uint64_t>(rank) + 1};
  for (std::size_t i = 0; i < count; ++i)
    values[i] = random_normal(key, i) * (i % 3 == 0 ? 1e4F : 1.0F);
  return values;
}

std::unique_ptr<DeviceSum> join(Communicator& ranks, Device& device, double timeout_s = 60) {
  const std::string id = ranks.broadcast(ranks.first() ? nccl::make_id() : std::string(), "the id");
  return nccl::join(device,
                    {.id = id, .rank = ranks.rank(), .size = ranks.size(), .timeout_s = timeout_s});
}

// Fewer values than ranks, slices that do not divide, several in a pass, several passes.
TEST(NcclSum, HasTheBitsOfTheSumByTheHosts) {
  const FakeNccl fake;
  for (const int size : {1, 2, 3, 5}) {
    run_ranks(size, [](Communicator& ranks) {
      const auto device = open_device("emulated");
      const auto sum = join(ranks, *device);
      EXPECT_EQ(sum->name(), "NCCL 2.28.9");
      for (int pass = 0; pass < 2; ++pass) {
        std::vector<DeviceBuffer<float>> there;
        std::vector<std::vector<float>> expected;
        for (const std::size_t count : {0, 1, 4, 1025, 20011}) {
          std::vector<float> values = values_of(ranks.rank() + 10 * pass, count);
          there.emplace_back(*device, count);
          device->upload(there.back().data(), values.data(), there.back().bytes());
          sum->start({there.back().data(), count}, "a piece");
          ranks.sum(values, "a piece");
          expected.push_back(std::move(values));
        }
        sum->finish();
        for (std::size_t i = 0; i < there.size(); ++i) {
          std::vector<float> values(there[i].size());
          device->download(values.data(), there[i].data(), there[i].bytes());
          EXPECT_EQ(values, expected[i]) << "rank " << ranks.rank();
        }
      }
    });
    EXPECT_EQ(FakeNccl::on_the_way(), 0);
  }
}

TEST(NcclSum, NamesWhatASilentRankWasWaitedFor) {
  const FakeNccl fake;
  std::atomic<bool> given_up = false;
  run_ranks(2, [&](Communicator& ranks) {
    const auto device = open_device("emulated");
    const auto sum = join(ranks, *device, 0.3);
    DeviceBuffer<float> values(*device, 100);
    if (ranks.first()) {
      EXPECT_EQ(message_of([&] {
                  sum->start({values.data(), 100}, "the gradients of conv");
                }),
                "no answer from the other ranks within 0.3 s (--comm-timeout), waited for by NCCL: "
                "the gradients of conv");
      given_up = true;
    }
    while (!given_up) std::this_thread::yield();
    // Nor can the other one part in order, which it does not wait for without end.
  });
}

TEST(NcclSum, NamesThatTheOthersDoNotJoin) {
  const FakeNccl fake;
  const auto device = open_device("emulated");
  EXPECT_EQ(message_of([&] {
              (void)nccl::join(*device,
                               {.id = nccl::make_id(), .rank = 0, .size = 2, .timeout_s = 0.1});
            }),
            "no answer from the other ranks within 0.1 s (--comm-timeout), waited for by NCCL: the "
            "ranks to join");
}

// A second queue that says what it was called for, and of which the marks behind the first are not
// reached: another rank's GPU does not send.
class StalledQueue final : public SideQueue {
 public:
  explicit StalledQueue(Device& device) : queue_(emulated::make_side_queue(device)) {}
  [[nodiscard]] void* handle() const override { return &place; }
  void follow_device() override { calls += "follow "; }
  void add_parts(const float* parts, int ranks, std::int64_t count, float* to) override {
    calls += "add ";
    queue_->add_parts(parts, ranks, count, to);
  }
  std::size_t mark() override {
    calls += "mark ";
    return queue_->mark();
  }
  [[nodiscard]] bool reached(std::size_t mark) override { return mark == 0; }
  void forget_marks() override { queue_->forget_marks(); }

  static inline std::string calls;
  static inline int place = 0;  // stands for a stream

 private:
  std::unique_ptr<SideQueue> queue_;
};

class NcclSumOfAStalledQueue : public testing::Test {
 protected:
  NcclSumOfAStalledQueue() : support_(*emulated::target().library_support) {
    support_.side_queue = [](Device& device) -> std::unique_ptr<SideQueue> {
      return std::make_unique<StalledQueue>(device);
    };
    fake_.emplace(&support_);
    device_ = open_device("emulated");
    values_ = DeviceBuffer<float>(*device_, 10);
  }
  [[nodiscard]] std::unique_ptr<DeviceSum> begin(double timeout_s) const {
    auto sum = nccl::join(*device_, {.id = nccl::make_id(), .timeout_s = timeout_s});
    for (const char* what : {"the first", "the second", "the third"})
      sum->start({values_.data(), 10}, what);
    return sum;
  }

  LibrarySupport support_;
  std::optional<FakeNccl> fake_;
  std::shared_ptr<Device> device_;
  DeviceBuffer<float> values_;
};

TEST_F(NcclSumOfAStalledQueue, RunsBesideTheDeviceBehindItsWork) {
  StalledQueue::calls.clear();
  (void)FakeNccl::on_stream(nullptr);
  const auto sum = nccl::join(*device_, {.id = nccl::make_id()});
  sum->start({values_.data(), 10}, "the first");
  EXPECT_EQ(StalledQueue::calls, "follow add mark ");
  EXPECT_EQ(FakeNccl::on_stream(&StalledQueue::place), 2);  // to and from itself
  sum->finish();
}

TEST_F(NcclSumOfAStalledQueue, NamesTheFirstSumThatIsNotMade) {
  const auto sum = begin(0.1);
  EXPECT_EQ(message_of([&] { sum->finish(); }),
            "no answer from the other ranks within 0.1 s (--comm-timeout), waited for by NCCL: the "
            "second");
}

TEST_F(NcclSumOfAStalledQueue, SeesThatARankIsLostLongBeforeTheTimeIsUp) {
  const auto sum = begin(600);
  FakeNccl::set("lose", 1);
  EXPECT_EQ(message_of([&] { sum->finish(); }),
            "NCCL: remote error: the stand-in's own words, waited for: the second");
}

// Another error is on its way: the others must hear of it now.
TEST_F(NcclSumOfAStalledQueue, IsGivenUpInTheMiddleWithoutWaiting) { const auto sum = begin(600); }

TEST(NcclSum, EndsWithoutTheOthersBehindAnError) {
  const FakeNccl fake;
  run_ranks(2, [](Communicator& ranks) {
    const auto device = open_device("emulated");
    const auto fails = [&] {
      const auto sum = join(ranks, *device, 600);
      throw Error("the disk is full");
    };
    // Neither waits for the other to part.
    EXPECT_EQ(message_of(fails), "the disk is full");
  });
}

TEST(NcclSum, OfARefusedCallIsAnErrorWithItsWords) {
  const FakeNccl fake;
  const auto device = open_device("emulated");
  const DeviceBuffer<float> values(*device, 10);
  const auto sum = nccl::join(*device, {.id = nccl::make_id()});
  fake.set("fail", 1);
  EXPECT_EQ(message_of([&] {
              sum->start({values.data(), 10}, "a piece");
            }),
            "NCCL: another error, waited for: a piece");
}

// Ranks that do not begin the same sums: the sizes do not fit.
TEST(NcclSum, OfDifferentSizesIsFound) {
  const FakeNccl fake;
  run_ranks(2, [](Communicator& ranks) {
    const auto device = open_device("emulated");
    const auto sum = join(ranks, *device, 1);
    const std::size_t count = ranks.first() ? 10 : 20;
    const DeviceBuffer<float> values(*device, count);
    const std::string words = message_of([&] { sum->start({values.data(), count}, "a piece"); });
    EXPECT_EQ(words,
              "NCCL: another error: sizes of sender and receiver differ, waited for: a piece");
  });
}

}  // namespace
}  // namespace fovea
