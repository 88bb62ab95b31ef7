// Training by ranks whose gradients NCCL carries: the bits of a training whose gradients the hosts
// add up. And who adds them up where.
#include "engine/parallel/choose_sum.h"

#include "kernels/nccl/ranks_sum.h"
#include "tests/nccl/fake_nccl.h"
#include "tests/parallel/other_memory.h"
#include "tests/parallel/shared_training.h"
#include "tests/parallel/thread_ranks.h"
#include "tests/support/message_of.h"

namespace fovea {
namespace {

std::unique_ptr<DeviceSum> by_nccl(Communicator& ranks, Device& device) {
  const std::string id = ranks.broadcast(ranks.first() ? nccl::make_id() : std::string(), "the id");
  return nccl::join(device, {.id = id, .rank = ranks.rank(), .size = ranks.size()});
}

TEST(NcclTraining, HasTheBitsOfTheTrainingByTheHosts) {
  const FakeNccl fake;
  const std::string loss = R"({"class_weights": [0.01, 1, 2, 3]})";
  SolverParams plain{.base_lr = 0.05F, .policy = LrPolicy::kFixed}, all = plain;
  all.iter_size = 3, all.clip_gradients = 0.5F;
  for (const SolverParams& params : {plain, all}) {
    for (const int size : {2, 3}) {
      run_ranks(size, [&](Communicator& ranks) {
        const Trained hosts = train("emulated", loss, params, &ranks);
        const Trained nccl = train("emulated", loss, params, &ranks, by_nccl);
        EXPECT_EQ(hosts.params, nccl.params);
        EXPECT_EQ(hosts.losses, nccl.losses);
      });
    }
  }
  EXPECT_EQ(FakeNccl::on_the_way(), 0);
}

// What scripts/gpu_check does on one GPU.
TEST(NcclTraining, OfOneRankIsThePlainTraining) {
  const FakeNccl fake;
  const SolverParams params{.base_lr = 0.05F, .policy = LrPolicy::kFixed};
  run_ranks(1, [&](Communicator& alone) {
    const Trained plain = train("emulated", "{}", params, nullptr);
    const Trained nccl = train("emulated", "{}", params, &alone, by_nccl);
    EXPECT_EQ(plain.params, nccl.params);
    EXPECT_EQ(plain.losses, nccl.losses);
  });
}

TEST(ChooseSum, TakesNcclOnGpusAndTheHostsElsewhere) {
  const FakeNccl fake;
  run_ranks(2, [](Communicator& ranks) {
    OtherMemory device;
    const auto chosen = choose_sum(ranks, device, {.gpu = true});
    EXPECT_EQ(chosen.sum->name(), "NCCL 2.28.9");
    EXPECT_EQ(chosen.note, "");
    for (const SumOptions& options : {SumOptions{.gpu = false},
                                      {.choice = SumChoice::kHosts},
                                      {.choice = SumChoice::kHosts, .gpu = true}}) {
      const auto hosts = choose_sum(ranks, device, options);
      EXPECT_EQ(hosts.sum->name(), "the hosts");
      EXPECT_EQ(hosts.note, "");
    }
  });
}

TEST(ChooseSum, OneRankHasNothingToAddUnlessAskedTo) {
  const FakeNccl fake;
  run_ranks(1, [](Communicator& alone) {
    OtherMemory device;
    EXPECT_EQ(choose_sum(alone, device, {.gpu = true}).sum, nullptr);
    EXPECT_EQ(choose_sum(alone, device, {.choice = SumChoice::kHosts, .gpu = true}).sum, nullptr);
    SumOptions nccl{.choice = SumChoice::kNccl, .gpu = true};
    EXPECT_EQ(choose_sum(alone, device, nccl).sum->name(), "NCCL 2.28.9");
    nccl.gpu = false;
    EXPECT_EQ(message_of([&] { (void)choose_sum(alone, device, nccl); }),
              "no NCCL for the sums: device lone is no GPU, expected --sum auto | hosts");
  });
}

// A rank that has none decides for all.
TEST(ChooseSum, WithoutTheLibraryTheHostsAddUpAndItIsSaid) {
  const nccl::RuntimeScope none({nullptr, nullptr, "no libnccl.so.2: not here"});
  run_ranks(2, [](Communicator& ranks) {
    OtherMemory device;
    const auto chosen = choose_sum(ranks, device, {.gpu = true});
    EXPECT_EQ(chosen.sum->name(), "the hosts");
    EXPECT_EQ(chosen.note, "rank 0: no libnccl.so.2: not here");
    const SumOptions nccl{.choice = SumChoice::kNccl, .gpu = true};
    EXPECT_EQ(message_of([&] { (void)choose_sum(ranks, device, nccl); }),
              "no NCCL for the sums: rank 0: no libnccl.so.2: not here, expected --sum auto | "
              "hosts");
  });
}

}  // namespace
}  // namespace fovea
