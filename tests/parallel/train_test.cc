// `mpirun -n N fovea train`: what several ranks train is what one process does; how they end.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <thread>

#include "engine/backend/registry.h"
#include "engine/core/random.h"
#include "engine/io/safetensors.h"
#include "engine/train/run_log.h"
#include "engine/train/snapshots.h"
#include "tests/support/ranks_command.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

using Arguments = std::vector<std::string>;

Arguments settings(const Arguments& values) {
  Arguments all;
  for (const std::string& value : values) all.insert(all.end(), {"--set", value});
  return all;
}

Arguments joined(Arguments one, const Arguments& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

class TrainRanks : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpirun()) GTEST_SKIP() << "no mpirun on the PATH";
    if (kSanitized) GTEST_SKIP() << "MPI is not built with sanitizers";
  }

  static CommandResult train(const ToyRun& toy, int ranks, const std::string& out,
                             const Arguments& more = {}) {
    if (ranks == 1)
      return run_command(toy.path(), joined(toy.train(out, more), {"--threads", "1"}));
    return run_ranks_command(toy.path(), ranks, toy.train(out, more));
  }
  static void expect_trained(const ToyRun& toy, int ranks, const std::string& out,
                             const Arguments& more = {}) {
    const CommandResult result = train(toy, ranks, out, more);
    ASSERT_EQ(result.code, 0) << result.err;
  }
  // All ranks ended with exit code 1 and one line of ours.
  static void expect_one_error(const CommandResult& result, const Arguments& parts) {
    EXPECT_EQ(result.code, 1) << result.err;
    const auto errors = error_lines(result.err);
    ASSERT_EQ(errors.size(), 1U) << result.err;
    for (const std::string& part : parts)
      EXPECT_NE(errors[0].find(part), std::string::npos) << part << " is not in " << errors[0];
  }
  static void expect_equal_files(const ToyRun& toy, const std::string& one,
                                 const std::string& other, const Arguments& names) {
    for (const std::string& name : names)
      EXPECT_TRUE(read_file(toy / one / name) == read_file(toy / other / name)) << name;
  }
};

// The bound of docs/distributed.md: per parameter, of its largest value in either run.
void expect_close(const fs::path& one, const fs::path& other, float bound) {
  const WeightFile a = read_safetensors(one), b = read_safetensors(other);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t t = 0; t < a.tensors.size(); ++t) {
    float largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.tensors[t].second.values.size(); ++i) {
      const float x = a.tensors[t].second.values[i], y = b.tensors[t].second.values[i];
      largest = std::max({largest, std::abs(x), std::abs(y)});
      difference = std::max(difference, std::abs(x - y));
    }
    EXPECT_LE(difference, bound * largest) << a.tensors[t].first << " of largest value " << largest;
  }
}

// What depends on the whole batch: the loss's count, sub-batches, clipping, dropout.
const std::vector<Arguments> kSetups = {
    {},
    {"loss.weighting=balanced", "loss.label_smoothing=0.1"},
    {"solver.iter_size=1", "solver.clip_gradients=0.5", "solver.ema=0.9"},
    {"data.sampling=weighted", "data.class_weights=[3,1]", "data.mirror=false"},
};

TEST_F(TrainRanks, TrainWhatOneProcessTrainsOfTheWholeBatch) {
  const ToyRun toy(30);
  for (std::size_t i = 0; i < kSetups.size(); ++i) {
    for (const std::string device : {"cpu", "reference"}) {
      if (i > 0 && device == "reference") continue;  // more of it without processes: SharedBatch
      const std::string one = str("one", i, device), two = str("two", i, device);
      const Arguments more = joined(settings(kSetups[i]), {"--device", device});
      expect_trained(toy, 1, one, more);
      expect_trained(toy, 2, two, more);
      expect_close(toy / one / "fold0/iter_7.safetensors", toy / two / "fold0/iter_7.safetensors",
                   0x1p-18F);
      expect_close(toy / one / "fold0/iter_30.safetensors", toy / two / "fold0/iter_30.safetensors",
                   0x1p-16F);
    }
  }
  EXPECT_EQ(read_json_file(toy / "two0cpu/fold0/config.json")["data"]["batch"], 4);
}

// Makes the net one whose gradients go through memory that the ranks share, not in messages as
// those of the narrow one.
void widen(const ToyRun& toy) {
  std::string net = read_file(toy / "toy.json");
  const std::string narrow = R"("outputs": 6)";
  net.replace(net.find(narrow), narrow.size(), R"("outputs": 64)");
  write_file(toy / "toy.json", net);
}

TEST_F(TrainRanks, AWideNetTrainsAsInOneProcessAndEquallyEachTime) {
  const ToyRun toy(30);
  widen(toy);
  expect_trained(toy, 1, "one");
  for (const int ranks : {2, 4}) {
    const std::string first = str("first", ranks), second = str("second", ranks);
    for (const std::string& out : {first, second}) expect_trained(toy, ranks, out);
    expect_close(toy / "one/fold0/iter_30.safetensors",
                 toy / (first + "/fold0/iter_30.safetensors"), 0x1p-16F);
    expect_equal_files(toy, first + "/fold0", second + "/fold0",
                       {"iter_30.safetensors", "iter_30.state"});
  }
}

TEST_F(TrainRanks, LogTheWholeBatch) {
  const ToyRun toy(9);
  expect_trained(toy, 1, "one");
  expect_trained(toy, 4, "four");
  const SavedRunLog one = read_run_log(toy / "one/fold0"), four = read_run_log(toy / "four/fold0");
  EXPECT_EQ(one.description["ranks"], 1);
  EXPECT_EQ(four.description["ranks"], 4);
  ASSERT_EQ(one.entries.size(), four.entries.size());
  for (std::size_t i = 0; i < one.entries.size(); ++i) {
    EXPECT_NEAR(one.entries[i]["loss"].get<double>(), four.entries[i]["loss"].get<double>(), 1e-5);
    EXPECT_EQ(one.entries[i]["accuracy"], four.entries[i]["accuracy"]);
  }
}

// Labels that the loss ignores are unequally many on the ranks, on some all of them.
TEST_F(TrainRanks, IgnoredLabelsCountOverTheWholeBatch) {
  const ToyRun toy(30);
  std::string net = read_file(toy / "toy.json");
  const std::string loss = R"("type": "softmax_loss",)";
  net.replace(net.find(loss), loss.size(),
              loss + R"( "has_ignore_label": true, "ignore_label": 1,)");
  write_file(toy / "toy.json", net);
  expect_trained(toy, 1, "one");
  for (const int ranks : {2, 4}) {
    expect_trained(toy, ranks, str("ranks", ranks));
    expect_close(toy / "one/fold0/iter_30.safetensors",
                 toy / str("ranks", ranks) / "fold0/iter_30.safetensors", 0x1p-16F);
  }
}

TEST_F(TrainRanks, EqualRunsGiveEqualBytes) {
  const ToyRun toy(21);
  for (const char* out : {"a", "b"}) expect_trained(toy, 2, out, settings({"solver.ema=0.9"}));
  expect_equal_files(toy, "a/fold0", "b/fold0",
                     {"iter_21.safetensors", "iter_21.state", "ema_21.safetensors"});
}

TEST_F(TrainRanks, EvaluateOnRankZeroAndStopEarlyTogether) {
  const ToyRun toy(6000);
  const Arguments more =
      settings({"solver.base_lr=0.00002", "evaluation.interval=5", "evaluation.split=test",
                "evaluation.keep_best=true", "evaluation.patience=4"});
  expect_trained(toy, 2, "two", more);
  const std::int64_t end = newest_snapshot(toy / "two/fold0");
  EXPECT_LT(end, 6000);
  EXPECT_TRUE(fs::exists(toy / "two/fold0/best.safetensors"));
  EXPECT_EQ(read_run_log(toy / "two/fold0").entries.back()["evaluation"]["stops"], true);
  // A run that is at its end stays there.
  expect_trained(toy, 2, "two", joined(more, {"--resume"}));
  EXPECT_EQ(newest_snapshot(toy / "two/fold0"), end);
}

TEST_F(TrainRanks, AllFoldsOneBehindTheOther) {
  const ToyRun toy(7);
  expect_trained(toy, 2, "run", {"--fold", "all"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 7);
  EXPECT_EQ(newest_snapshot(toy / "run/fold1"), 7);
}

// The ranks of a run, when both are there and it has come so far.
std::vector<pid_t> ranks_when(const Command& mpirun, const std::function<bool()>& far_enough) {
  for (int ms = 0; ms < 20000; ms += 2) {
    const std::vector<pid_t> ranks = children_of(mpirun.pid());
    if (ranks.size() == 2 && far_enough()) return ranks;
    std::this_thread::sleep_for(2ms);
  }
  ADD_FAILURE() << "the run did not come that far";
  return {};
}
// `out` has a snapshot of `until` or later.
std::vector<pid_t> ranks_at(const Command& mpirun, const fs::path& out, std::int64_t until) {
  return ranks_when(mpirun, [&] { return newest_snapshot(out) >= until; });
}
std::vector<pid_t> ranks_that_train(const Command& mpirun, const fs::path& log) {
  return ranks_when(
      mpirun, [&] { return fs::exists(log) && std::ranges::count(read_file(log), '\n') > 3; });
}

TEST_F(TrainRanks, AfterKillsAtAnyMomentTheFinalWeightsAreBitIdentical) {
  constexpr int kIterations = 1500, kKills = 20;
  const ToyRun toy(kIterations);
  const Arguments more = settings({"solver.ema=0.95", "solver.keep_last=3"});
  expect_trained(toy, 2, "whole", more);
  for (std::uint64_t kill = 0; kill < kKills; ++kill) {
    const fs::path folder = toy / "pieces/fold0";
    const auto draw = [&](std::uint32_t below) {
      return static_cast<std::int64_t>(random_below({.seed = below}, kill, below));
    };
    RanksCommand piece(toy.path(), 2, toy.train("pieces", joined(more, {"--resume"})));
    const auto ranks = ranks_at(piece, folder, newest_snapshot(folder) + 7 * draw(6));
    ASSERT_EQ(ranks.size(), 2U);
    std::this_thread::sleep_for(std::chrono::milliseconds(draw(8)));
    // Of one alone mpirun kills the other; a machine that stops kills both.
    for (std::uint64_t r = 0; r < 2; ++r) {
      if (kill % 4 != 1 + r) ::kill(ranks[r], SIGKILL);
    }
    EXPECT_NE(piece.wait().code, 0);
  }
  EXPECT_LT(newest_snapshot(toy / "pieces/fold0"), kIterations) << "the test disturbed nothing";
  expect_trained(toy, 2, "pieces", joined(more, {"--resume"}));
  expect_equal_files(
      toy, "whole/fold0", "pieces/fold0",
      {str("iter_", kIterations, ".safetensors"), str("iter_", kIterations, ".state"),
       str("ema_", kIterations, ".safetensors")});
}

TEST_F(TrainRanks, NoRankOutlivesAKilledLauncher) {
  const ToyRun toy(1000000);
  RanksCommand run(toy.path(), 2, toy.train("run"));
  const auto ranks = ranks_at(run, toy / "run/fold0", 7);
  run.kill();
  for (const pid_t rank : ranks) {
    for (int ms = 0; ms < 5000 && ::kill(rank, 0) == 0; ms += 10) std::this_thread::sleep_for(10ms);
    EXPECT_NE(::kill(rank, 0), 0);
  }
}

// A signal to one rank alone, whichever; and what mpirun hands on to all.
TEST_F(TrainRanks, AnInterruptOfAnyRankStopsAllWithASnapshot) {
  const ToyRun toy(1000000);
  for (const int where : {0, 1, 2}) {
    const std::string out = str("run", where);
    RanksCommand run(toy.path(), 2, toy.train(out));
    const auto ranks = ranks_at(run, toy / out / "fold0", 7);
    ASSERT_EQ(ranks.size(), 2U);
    where < 2 ? ::kill(ranks[static_cast<std::size_t>(where)], SIGINT) : ::kill(run.pid(), SIGUSR1);
    const CommandResult result = run.wait();
    EXPECT_EQ(result.code, 0) << result.err;
    const std::int64_t reached = newest_snapshot(toy / out / "fold0");
    EXPECT_NE(result.err.find(str("stopped at iteration ", reached)), std::string::npos)
        << result.err;
    if (where > 0) continue;
    expect_trained(toy, 2, "short", {"--max-iter", str(reached)});
    expect_equal_files(toy, out + "/fold0", "short/fold0", {str("iter_", reached, ".safetensors")});
  }
}

TEST_F(TrainRanks, MistakesOfAllAreSaidOnce) {
  const ToyRun toy(7);
  expect_one_error(train(toy, 3, "run"),
                   {"config.json.data.batch", "4 images for 3 ranks", "expected a multiple of 3"});
  expect_one_error(train(toy, 2, "run", {"--set", "solver.base_lrr=1"}), {"base_lrr"});
  EXPECT_FALSE(fs::exists(toy / "run"));
  expect_trained(toy, 2, "run");
  expect_one_error(train(toy, 2, "run"), {"output exists", "--resume"});
  expect_one_error(train(toy, 2, "other", {"--sum", "nccl"}),
                   {"no NCCL for the sums: rank 0: device cpu is no GPU", "--sum auto | hosts"});
  EXPECT_EQ(newest_snapshot(toy / "other/fold0"), -1);
}

// Gradients that the hosts cannot reach: the way of a GPU without NCCL.
TEST_F(TrainRanks, TrainOnADeviceWithMemoryOfItsOwn) {
  if (!missing_device("emulated").empty()) GTEST_SKIP() << missing_device("emulated");
  const ToyRun toy(7);
  const Arguments more =
      joined(settings({"loss.weighting=balanced", "solver.clip_gradients=0.5", "solver.ema=0.9"}),
             {"--device", "emulated"});
  expect_trained(toy, 1, "one", more);
  for (const char* out : {"two", "again"}) {
    const CommandResult result = train(toy, 2, out, more);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("2 ranks of 2 images a batch, summed by the hosts"),
              std::string::npos)
        << result.err;
    EXPECT_EQ(result.err.find("NCCL"), std::string::npos) << result.err;
  }
  expect_close(toy / "one/fold0/iter_7.safetensors", toy / "two/fold0/iter_7.safetensors",
               0x1p-18F);
  expect_equal_files(toy, "two/fold0", "again/fold0",
                     {"iter_7.safetensors", "iter_7.state", "ema_7.safetensors"});
}

TEST_F(TrainRanks, AnotherNumberOfRanksDoesNotResumeUnlessForced) {
  const ToyRun toy(14);
  expect_trained(toy, 2, "run", {"--max-iter", "7"});
  expect_one_error(train(toy, 4, "run", {"--resume"}),
                   {"iter_7.state", R"("ranks":2)", R"("ranks":4)", "--force"});
  const CommandResult alone = train(toy, 1, "run", {"--resume", "--quiet"});
  expect_mistake(alone, {"iter_7.state", R"("ranks":2)", R"("ranks":1)", "--force"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 7);
  expect_trained(toy, 4, "run", {"--resume", "--force"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 14);
}

TEST_F(TrainRanks, TheErrorOfOneRankEndsAll) {
  const ToyRun toy(30);
  // What only rank 0 does: writing.
  fs::create_directories(toy / "blocked/fold0/iter_7.state");
  expect_one_error(train(toy, 2, "blocked"), {"iter_7.state"});
  // What only the other one finds: it was started otherwise.
  const Arguments other =
      joined(toy.train("run", {"--threads", "2", ":", "-n", "1", FOVEA_COMMAND}), toy.train("run"));
  expect_one_error(run_ranks_command(toy.path(), 1, other),
                   {"rank 1: computation of rank 1", R"("threads":1)", R"("threads":2)"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), -1);
}

TEST_F(TrainRanks, ASilentRankIsNamedWithWhatItWasWaitedFor) {
  for (const std::size_t silent : {0U, 1U, 2U, 3U}) {
    const ToyRun toy(1000000);
    if (silent >= 2) widen(toy);
    const std::string out = str("run", silent);
    RanksCommand run(toy.path(), 2, toy.train(out, {"--comm-timeout", "1"}));
    const auto ranks = ranks_that_train(run, toy / out / "fold0/log.csv");
    ASSERT_EQ(ranks.size(), 2U);
    // mpirun starts the ranks in their order.
    ::kill(ranks[silent % 2], SIGSTOP);
    const CommandResult result = run.wait();
    expect_one_error(result, {str("no answer from rank ", silent % 2, " of 2 within 1 s"),
                              "--comm-timeout", "waited for: the "});
  }
}

// A snapshot that takes rank 0 longer than the timeout is waited for; a rank 0 that freezes in it
// is not. Its file is a pipe here that nobody reads, so it does not come back from opening it.
TEST_F(TrainRanks, ARankZeroThatFreezesAtASnapshotIsNamed) {
  constexpr int kSnapshot = 200;
  const ToyRun toy(1000000);
  const fs::path folder = toy / "run/fold0";
  fs::create_directories(folder);
  RanksCommand run(toy.path(), 2,
                   toy.train("run", joined({"--comm-timeout", "1"},
                                           settings({str("solver.snapshot=", kSnapshot),
                                                     str("solver.display=", kSnapshot)}))));
  const auto ranks = ranks_when(run, [] { return true; });  // long before they have joined
  ASSERT_EQ(ranks.size(), 2U);
  const fs::path pipe = folder / str("iter_", kSnapshot, ".state.tmp", ranks[0]);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto reached = [&] {
    const fs::path log = folder / "log.csv";
    return fs::exists(log) && read_file(log).find(str("\n", kSnapshot, ",")) != std::string::npos;
  };
  ASSERT_EQ(ranks_when(run, reached).size(), 2U);
  std::this_thread::sleep_for(2500ms);
  ASSERT_EQ(ranks_when(run, reached).size(), 2U) << "they did not wait";
  ::kill(ranks[0], SIGSTOP);
  expect_one_error(run.wait(), {"rank 1: no answer from rank 0 of 2 within 1 s",
                                str("waited for: the snapshot of iteration ", kSnapshot)});
}

}  // namespace
}  // namespace fovea
