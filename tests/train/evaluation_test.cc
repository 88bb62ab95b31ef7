// Evaluation while training: logs, the best snapshot, the last ones, early stopping.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "engine/core/json_fields.h"
#include "engine/io/safetensors.h"
#include "engine/train/best.h"
#include "engine/train/snapshots.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> settings(const std::vector<std::string>& values) {
  std::vector<std::string> all;
  for (const std::string& value : values) all.insert(all.end(), {"--set", value});
  return all;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::istringstream file(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// The log's entries that hold an evaluation.
std::vector<Json> evaluations(const fs::path& log) {
  std::vector<Json> found;
  for (const std::string& line : lines_of(log)) {
    if (const Json entry = Json::parse(line); entry.contains("evaluation")) found.push_back(entry);
  }
  return found;
}

Evaluation with_accuracy(double accuracy) {
  Evaluation e;
  e.accuracy = accuracy, e.loss = accuracy;
  return e;
}

TEST(BestSoFar, TheFirstAmongEqualsStaysAndPatienceRunsOut) {
  const EvaluationParams params{.interval = 1, .patience = 2};
  BestSoFar best(params);
  EXPECT_TRUE(best.add(10, with_accuracy(0.5)));
  EXPECT_FALSE(best.add(20, with_accuracy(0.5)));
  EXPECT_FALSE(best.exhausted());
  EXPECT_TRUE(best.add(30, with_accuracy(0.6)));
  EXPECT_FALSE(best.add(40, with_accuracy(0.1)));
  BestSoFar resumed(params);
  resumed.restore(Json::parse(best.to_json().dump()));
  EXPECT_FALSE(resumed.add(50, with_accuracy(0.55)));
  EXPECT_TRUE(resumed.exhausted());
  EXPECT_EQ(resumed.iteration(), 30);
  EXPECT_EQ(resumed.value(), 0.6);
}

TEST(BestSoFar, OfLossAndDistanceLessIsBetter) {
  BestSoFar best({.interval = 1, .measure = Measure::kLoss});
  EXPECT_TRUE(best.add(1, with_accuracy(0.5)));
  EXPECT_FALSE(best.add(2, with_accuracy(0.6)));
  EXPECT_TRUE(best.add(3, with_accuracy(0.4)));
}

TEST(EvaluationWhileTraining, IsInEveryLogAndKeepsTheBest) {
  const ToyRun toy(40);
  const CommandResult trained = run_command(
      toy.path(), toy.train("run", settings({"evaluation.interval=10", "evaluation.split=test",
                                             "evaluation.keep_best=true"})));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::vector<Json> found = evaluations(toy / "run/fold0/log.jsonl");
  ASSERT_EQ(found.size(), 4U);
  std::int64_t best = -1;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i]["iteration"], 10 * (i + 1));
    for (const char* key : {"loss", "lr", "accuracy", "images_per_s"})  // a line like the others
      EXPECT_TRUE(found[i].contains(key)) << key;
    const Json& e = found[i]["evaluation"];
    EXPECT_EQ(e["split"], "test");
    EXPECT_EQ(e["count"], kToyImages / 2);
    const Json& c = e["confusion"];
    EXPECT_EQ(e["accuracy"].get<double>(), (c[0][0].get<int>() + c[1][1].get<int>()) / 12.0);
    if (e["best"].get<bool>()) best = found[i]["iteration"].get<std::int64_t>();
  }
  EXPECT_TRUE(found[0]["evaluation"]["best"].get<bool>());

  const std::vector<std::string> csv = lines_of(toy / "run/fold0/log.csv");
  EXPECT_EQ(csv[0],
            "iteration,loss,lr,accuracy,images_per_s,eval_accuracy,eval_one_off,eval_mae,eval_loss,"
            "eval_confusion");
  for (const std::string& line : csv) EXPECT_EQ(std::ranges::count(line, ','), 9) << line;
  EXPECT_NE(read_file(toy / "run/fold0/events.out.tfevents.fovea").find("eval/confusion"),
            std::string::npos);

  // What is kept is that iteration's net: eval finds the same accuracy in it.
  const WeightFile kept = read_safetensors(best_path(toy / "run/fold0"));
  EXPECT_EQ(kept.metadata.at("iteration"), str(best));
  const CommandResult evaluated = run_command(
      toy.path(), toy.eval("run", {"--snapshot", "best", "--crops", "center", "--json"}));
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const Json value = Json::parse(kept.metadata.at("evaluation"))["value"];
  EXPECT_EQ(Json::parse(evaluated.out)["folds"][0]["accuracy"], value);
  // The run itself is the one that does not evaluate.
  ASSERT_EQ(run_command(toy.path(), toy.train("plain")).code, 0);
  EXPECT_TRUE(read_file(toy / "run/fold0/iter_40.safetensors") ==
              read_file(toy / "plain/fold0/iter_40.safetensors"));
  EXPECT_TRUE(evaluations(toy / "plain/fold0/log.jsonl").empty());
  EXPECT_EQ(lines_of(toy / "plain/fold0/log.csv")[0], "iteration,loss,lr,accuracy,images_per_s");
}

TEST(EvaluationWhileTraining, TakesOnlySoManyImages) {
  const ToyRun toy(4);
  const CommandResult trained = run_command(
      toy.path(), toy.train("run", settings({"evaluation.interval=4", "evaluation.split=test",
                                             "evaluation.limit=5"})));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::vector<Json> found = evaluations(toy / "run/fold0/log.jsonl");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["evaluation"]["count"], 5);
}

TEST(EvaluationWhileTraining, StopsEarlyAndStaysStopped) {
  const ToyRun toy(600);
  // Nothing is learned, so nothing gets better.
  std::vector<std::string> more =
      settings({"evaluation.interval=10", "evaluation.split=test", "evaluation.patience=3",
                "evaluation.measure=loss", "solver.base_lr=0", "solver.weight_decay=0"});
  const CommandResult trained = run_command(toy.path(), toy.train("run", more));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.err.find("stopped early at iteration 40: 3 evaluations without a better loss"),
            std::string::npos)
      << trained.err;
  EXPECT_NE(trained.err.find("at iteration 10"), std::string::npos) << trained.err;
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), 40);
  const std::string log = read_file(toy / "run/fold0/log.jsonl");
  const std::vector<Json> found = evaluations(toy / "run/fold0/log.jsonl");
  ASSERT_EQ(found.size(), 4U);
  EXPECT_FALSE(found[2]["evaluation"]["stops"]);
  EXPECT_TRUE(found[3]["evaluation"]["stops"]);
  more.push_back("--resume");
  const CommandResult resumed = run_command(toy.path(), toy.train("run", more));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("stopped early at iteration 40"), std::string::npos) << resumed.err;
  EXPECT_EQ(read_file(toy / "run/fold0/log.jsonl"), log);
}

TEST(EvaluationWhileTraining, MistakesAreFoundBeforeAnythingRuns) {
  const ToyRun toy(7);
  const auto train = [&](const std::vector<std::string>& values) {
    std::vector<std::string> all = settings(values);
    all.emplace_back("--quiet");
    return run_command(toy.path(), toy.train("run", all));
  };
  expect_mistake(train({"evaluation.patience=3"}), {"config.json.evaluation.interval: 0"});
  expect_mistake(train({"evaluation.interval=-1"}), {"config.json.evaluation", "interval -1"});
  expect_mistake(train({"evaluation.interval=1", "evaluation.split=vall"}),
                 {"config.json.evaluation.split: 'vall'", "val | test | train"});
  expect_mistake(train({"evaluation.measure=acuracy"}), {"did you mean 'accuracy'"});
  expect_mistake(train({"evaluation.interval=1"}), {"gender/aligned/fold0/val"});
  expect_mistake(train({"solver.keep_last=-1"}), {"config.json.solver.keep_last: -1"});
  EXPECT_FALSE(fs::exists(toy / "run/fold0"));
}

TEST(Snapshots, TheLastOnesStay) {
  const ToyRun toy(35);
  ASSERT_EQ(run_command(toy.path(), toy.train("run", settings({"solver.keep_last=2"}))).code, 0);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(toy / "run/fold0")) {
    if (entry.path().filename().string().starts_with("iter_"))
      names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"iter_28.safetensors", "iter_28.state",
                                          "iter_35.safetensors", "iter_35.state"}));
}

TEST(Snapshots, HalvesOfOldOnesGoToo) {
  const TemporaryFolder folder;
  for (const char* name :
       {"iter_1.state", "iter_2.safetensors", "iter_3.safetensors", "iter_3.state",
        "iter_4.safetensors", "iter_4.state", "iter_5.state", "iter_x.state", "log.csv"})
    write_file(folder / name, "");
  keep_newest_snapshots(folder.path(), 2);
  for (const char* gone : {"iter_1.state", "iter_2.safetensors"})
    EXPECT_FALSE(fs::exists(folder / gone)) << gone;
  for (const char* stays : {"iter_3.safetensors", "iter_3.state", "iter_4.state", "iter_5.state",
                            "iter_x.state", "log.csv"})
    EXPECT_TRUE(fs::exists(folder / stays)) << stays;
}

}  // namespace
}  // namespace fovea
