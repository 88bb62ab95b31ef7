// A run that is killed and resumed gives the bytes of one that was not.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "engine/core/json_fields.h"
#include "engine/train/trainer.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// The log without what depends on the clock.
std::string timeless_log(const fs::path& path) {
  std::istringstream lines(read_file(path));
  std::string result, line;
  while (std::getline(lines, line)) {
    Json entry = Json::parse(line);
    entry.erase("images_per_s");
    result += entry.dump() + "\n";
  }
  return result;
}

void expect_equal_runs(const ToyRun& toy, const std::string& one, const std::string& other,
                       int iterations) {
  for (const char* extension : {".safetensors", ".state"}) {
    const std::string name = str("fold0/iter_", iterations, extension);
    EXPECT_TRUE(read_file(toy / one / name) == read_file(toy / other / name)) << name;
  }
  EXPECT_EQ(timeless_log(toy / one / "fold0/log.jsonl"),
            timeless_log(toy / other / "fold0/log.jsonl"));
}

// Trains "whole" at once and "pieces" with kills: each piece lives until some snapshots after the
// one it started from and a few milliseconds more, so that some die at start-up, some within a
// snapshot.
void expect_kills_change_nothing(const ToyRun& toy, std::vector<std::string> more) {
  // On a busy machine two threads that wait for each other make minutes of this.
  more.insert(more.end(), {"--threads", "1"});
  const auto pieces = [&] {
    std::vector<std::string> all = more;
    all.emplace_back("--resume");
    return toy.train("pieces", all);
  };
  ASSERT_EQ(run_command(toy.path(), toy.train("whole", more)).code, 0);
  int kills = 0;
  for (std::uint64_t attempt = 0; attempt < 20; ++attempt) {
    const std::int64_t from = newest_snapshot(toy / "pieces/fold0");
    Command piece(toy.path(), pieces());
    const auto draw = [&](float n) {
      return static_cast<int>(n * random_uniform({.seed = n > 4 ? 3U : 4U}, attempt));
    };
    const std::int64_t until = from + 7 * static_cast<std::int64_t>(draw(12));
    for (int ms = 0; ms < 2000 && newest_snapshot(toy / "pieces/fold0") < until; ++ms)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(draw(4)));
    kills += piece.kill().code == -1 ? 1 : 0;
  }
  EXPECT_GE(kills, 10) << "the test disturbed nothing";
  const CommandResult last = run_command(toy.path(), pieces());
  ASSERT_EQ(last.code, 0) << last.err;
  for (const auto& entry : fs::directory_iterator(toy / "pieces/fold0"))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST(Resume, AfterKillsAtAnyMomentTheFinalWeightsAreBitIdentical) {
  constexpr int kIterations = 6000;
  const ToyRun toy(kIterations);
  expect_kills_change_nothing(toy, {});
  expect_equal_runs(toy, "whole", "pieces", kIterations);
}

TEST(Resume, AfterKillsAveragesTheBestAndTheEarlyStopAreBitIdentical) {
  constexpr int kIterations = 6000;
  const ToyRun toy(kIterations);
  std::vector<std::string> more;
  for (const char* setting :
       {"solver.ema=0.95", "solver.keep_last=3", "solver.base_lr=0.00002", "evaluation.interval=5",
        "evaluation.split=test", "evaluation.keep_best=true", "evaluation.average=true",
        "evaluation.patience=150", "loss.weighting=balanced", "loss.label_smoothing=0.1",
        "loss.ordinal_sigma=0.5"})
    more.insert(more.end(), {"--set", setting});
  expect_kills_change_nothing(toy, more);
  const std::int64_t end = newest_snapshot(toy / "whole/fold0");
  EXPECT_GT(end, 150 * 5);
  EXPECT_LT(end, kIterations) << "it did not stop early";
  EXPECT_EQ(newest_snapshot(toy / "pieces/fold0"), end);
  expect_equal_runs(toy, "whole", "pieces", static_cast<int>(end));
  for (const std::string& name :
       {str("fold0/ema_", end, ".safetensors"), std::string("fold0/best.safetensors")})
    EXPECT_TRUE(read_file(toy / "whole" / name) == read_file(toy / "pieces" / name)) << name;
}

TEST(Resume, InterruptTakesASnapshotAtOnceAndGoesOnFromIt) {
  constexpr int kIterations = 20000;
  const ToyRun toy(kIterations);
  Command running(toy.path(), toy.train("run"));
  while (newest_snapshot(toy / "run/fold0") < 7)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  running.send(SIGINT);
  const CommandResult result = running.wait();
  EXPECT_NE(result.err.find("--resume"), std::string::npos) << result.err;
  const std::int64_t reached = newest_snapshot(toy / "run/fold0");
  EXPECT_LT(reached, kIterations);
  EXPECT_NE(result.err.find(str("stopped at iteration ", reached)), std::string::npos)
      << result.err;
  // Up to there it is the run that would have gone no further.
  ASSERT_EQ(run_command(toy.path(), toy.train("short", {"--max-iter", str(reached)})).code, 0);
  const std::string name = str("fold0/iter_", reached, ".safetensors");
  EXPECT_TRUE(read_file(toy / "run" / name) == read_file(toy / "short" / name));
}

TEST(Resume, EqualRunsGiveEqualBytes) {
  const ToyRun toy(21);
  ASSERT_EQ(run_command(toy.path(), toy.train("one")).code, 0);
  ASSERT_EQ(run_command(toy.path(), toy.train("two")).code, 0);
  expect_equal_runs(toy, "one", "two", 21);
  ASSERT_EQ(run_command(toy.path(), toy.train("three", {"--seed", "5"})).code, 0);
  EXPECT_FALSE(read_file(toy / "one/fold0/iter_21.safetensors") ==
               read_file(toy / "three/fold0/iter_21.safetensors"));
}

TEST(Resume, AHalfPairIsNotASnapshot) {
  const ToyRun toy(21);
  ASSERT_EQ(run_command(toy.path(), toy.train("run")).code, 0);
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 21);
  fs::remove(toy / "run/fold0/iter_21.state");
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 14);
  fs::remove(toy / "run/fold0/iter_14.safetensors");
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 7);
  EXPECT_EQ(newest_snapshot(toy / "nowhere"), -1);
}

TEST(Resume, RefusesAnotherNumberOfThreadsUnlessForced) {
  const ToyRun toy(14);
  ASSERT_EQ(run_command(toy.path(), toy.train("run", {"--threads", "1", "--max-iter", "7"})).code,
            0);
  const CommandResult refused =
      run_command(toy.path(), toy.train("run", {"--threads", "2", "--resume", "--quiet"}));
  expect_mistake(refused, {"iter_7.state", R"("threads":1)", R"("threads":2)", "--force"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 7);
  const CommandResult forced =
      run_command(toy.path(), toy.train("run", {"--threads", "2", "--resume", "--force"}));
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 14);
}

}  // namespace
}  // namespace fovea
