// `fovea train` and `fovea eval` as a user runs them, with their mistakes.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "engine/core/json_fields.h"
#include "engine/io/safetensors.h"
#include "engine/train/trainer.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::vector<Json> read_lines(const fs::path& path) {
  std::istringstream lines(read_file(path));
  std::vector<Json> entries;
  std::string line;
  while (std::getline(lines, line)) entries.push_back(Json::parse(line));
  return entries;
}

TEST(TrainCommand, LearnsAndWritesEverythingOfTheContract) {
  const ToyRun toy(60);
  const CommandResult trained = run_command(toy.path(), toy.train("run", {"--fold", "all"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::vector<Json> log = read_lines(toy / "run/fold0/log.jsonl");
  ASSERT_EQ(log.size(), 21U);  // the description and a line every 3 iterations
  for (const char* key : {"seed", "device", "precision", "threads", "ranks"})
    EXPECT_TRUE(log[0].contains(key)) << key;
  for (const char* key : {"iteration", "loss", "lr", "accuracy", "images_per_s"})
    EXPECT_TRUE(log[1].contains(key)) << key;
  EXPECT_EQ(log[1]["iteration"], 3);
  EXPECT_EQ(log.back()["iteration"], 60);
  EXPECT_TRUE(fs::exists(toy / "run/fold0/log.csv"));
  EXPECT_EQ(read_json_file(toy / "run/fold0/config.json")["solver"]["max_iter"], 60);
  EXPECT_EQ(newest_snapshot(toy / "run/fold1"), 60);
  EXPECT_FALSE(fs::exists(toy / "run/fold2"));

  const CommandResult evaluated =
      run_command(toy.path(), toy.eval("run", {"--fold", "all", "--json"}));
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const Json json = Json::parse(evaluated.out);
  ASSERT_EQ(json["folds"].size(), 2U);
  const Json& fold = json["folds"][0];
  EXPECT_EQ(fold["count"], kToyImages / 2);
  EXPECT_EQ(fold["accuracy"], 1.0);
  EXPECT_EQ(fold["accuracy_oversample"], 1.0);
  EXPECT_EQ(fold["confusion"], Json::parse("[[6, 0], [0, 6]]"));
  EXPECT_EQ(json["mean"]["one_off"], 1.0);
  EXPECT_EQ(json["std"]["accuracy"], 0.0);
}

TEST(TrainCommand, KeepsWhatAModelNeedsInTheSnapshot) {
  const ToyRun toy(7);
  ASSERT_EQ(run_command(toy.path(), toy.train("run", {"--set", "data.crop=8"})).code, 0);
  const WeightFile model = read_safetensors(toy / "run/fold0/iter_7.safetensors");
  EXPECT_EQ(model.metadata.at("classes"), R"(["m","f"])");
  EXPECT_EQ(model.metadata.at("crop"), "8");
  EXPECT_EQ(model.metadata.at("channel_order"), "BGR");
  ASSERT_TRUE(model.find("__mean__"));
  EXPECT_EQ(model.find("__mean__")->shape, (Shape{3, 12, 12}));
  // So eval needs no --set to feed it rightly.
  const CommandResult evaluated = run_command(toy.path(), toy.eval("run", {"--json"}));
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  // Not the time, the folder or the machine.
  const std::string bytes = read_file(toy / "run/fold0/iter_7.safetensors");
  EXPECT_EQ(bytes.find(toy.path().string()), std::string::npos);
}

TEST(TrainCommand, FineTuningCopiesByNameAndSaysWhat) {
  const ToyRun toy(7);
  ASSERT_EQ(run_command(toy.path(), toy.train("base")).code, 0);
  WeightFile base = read_safetensors(toy / "base/fold0/iter_7.safetensors");
  for (auto& [name, tensor] : base.tensors) {
    if (name.starts_with("scores")) name = "other" + name.substr(6);
  }
  write_safetensors(toy / "base.safetensors", base);
  const CommandResult tuned = run_command(
      toy.path(), toy.train("tuned", {"--set", "weights=" + toy.file("base.safetensors"), "--set",
                                      "solver.base_lr=0", "--set", "solver.weight_decay=0"}));
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_NE(tuned.err.find("2 matched, 2 missing, 2 unused"), std::string::npos) << tuned.err;
  EXPECT_NE(tuned.err.find("missing: scores.weight"), std::string::npos) << tuned.err;
  EXPECT_NE(tuned.err.find("unused:  other.weight"), std::string::npos) << tuned.err;
  const WeightFile after = read_safetensors(toy / "tuned/fold0/iter_7.safetensors");
  EXPECT_EQ(after.find("conv.weight")->values, base.find("conv.weight")->values);
}

// The toy's store with nine men to three women in its training view.
void write_uneven_store(const fs::path& path) {
  StoreWriter writer(path, {{"gender", {"m", "f"}}}, true);
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < 12; ++i) {
    all.push_back(i);
    writer.add({.height = 12, .width = 12, .labels = {i % 4 == 0 ? 1 : 0}},
               random_bytes(3 * 12 * 12, i));
  }
  writer.add_view("gender/aligned/fold0/train", "gender", all, Json::object());
  writer.commit(Json::object());
}

TEST(TrainCommand, ClassWeightsAreTheConfigsOrBalanceTheView) {
  const ToyRun toy(7);
  fs::remove(toy / "toy.fovea");
  write_uneven_store(toy / "toy.fovea");
  const auto weights_of = [&](const std::string& out, const std::vector<std::string>& values) {
    std::vector<std::string> more;
    for (const std::string& value : values) more.insert(more.end(), {"--set", value});
    const CommandResult result = run_command(toy.path(), toy.train(out, more));
    EXPECT_EQ(result.code, 0) << result.err;
    return read_file(toy / out / "fold0/iter_7.safetensors");
  };
  const std::string plain = weights_of("plain", {}),
                    balanced = weights_of("balanced", {"loss.weighting=balanced"});
  EXPECT_FALSE(plain == balanced);
  EXPECT_TRUE(balanced == weights_of("weighted", {"loss.weighting=weighted",
                                                  "loss.class_weights=[0.66666666667,2]"}));
  EXPECT_TRUE(plain == weights_of("ones", {"loss.weighting=weighted", "loss.class_weights=[1,1]"}));
  EXPECT_FALSE(plain == weights_of("smoothed", {"loss.label_smoothing=0.1"}));
  EXPECT_FALSE(plain == weights_of("ordinal", {"loss.ordinal_sigma=0.5"}));
  EXPECT_FALSE(plain == weights_of("sampled", {"data.sampling=balanced"}));
  expect_mistake(
      run_command(toy.path(), toy.train("none", {"--quiet", "--set", "loss.weighting=weighted",
                                                 "--set", "loss.class_weights=[1,2,3]"})),
      {"class_weights", "3 weights", "2 classes"});
}

TEST(TrainCommand, MistakesAreOneLineAndLeaveNothing) {
  const ToyRun toy(7);
  const auto train = [&](const std::vector<std::string>& more) {
    std::vector<std::string> quiet{"--quiet"};
    quiet.insert(quiet.end(), more.begin(), more.end());
    return run_command(toy.path(), toy.train("run", quiet));
  };
  expect_mistake(train({"--set", "solver.base_lrr=1"}),
                 {"config.json", "base_lrr", "did you mean"});
  expect_mistake(train({"--set", "solver.policy=stp"}), {"policy", "step"});
  expect_mistake(train({"--set", "data.crop=13"}), {"crop"});
  expect_mistake(train({"--set", "nonsense"}), {"nonsense", "key=value"});
  expect_mistake(train({"--set", "net=adiencent"}), {"adiencent", "did you mean 'adiencenet'"});
  expect_mistake(train({"--fold", "7"}), {"gender/aligned/fold7/train"});
  expect_mistake(train({"--fold", "x"}), {"--fold", "'x'"});
  expect_mistake(train({"--set", "parameters.classes=1"}), {"wrong label", "expected 0 .. 0"});
  expect_mistake(train({"--set", "weights=" + toy.file("none.safetensors")}),
                 {"cannot read", "none.safetensors"});
  EXPECT_EQ(newest_snapshot(toy / "run/fold0"), -1);

  ASSERT_EQ(train({}).code, 0);
  expect_mistake(train({}), {"output exists", "--resume"});
  const CommandResult resumed = train({"--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  expect_mistake(train({"--set", "weights=" + toy.file("run/fold0/iter_7.safetensors"), "--set",
                        "data.crop=6", "--force"}),
                 {"wrong shape in", "scores.weight", "expected 2x"});
}

// What a folder says of its run stays true.
TEST(TrainCommand, ResumesOnlyTheRunThatBegan) {
  const ToyRun toy(7);
  const auto train = [&](std::vector<std::string> more) {
    return run_command(toy.path(), toy.train("run", std::move(more)));
  };
  ASSERT_EQ(train({"--seed", "7"}).code, 0);
  const std::string began = read_file(toy / "run/fold0/config.json");
  expect_mistake(train({"--resume", "--quiet"}), {"run/fold0/config.json:seed: 1, expected 7"});
  expect_mistake(train({"--resume", "--quiet", "--seed", "7", "--set", "solver.base_lr=0.5"}),
                 {"config.json:solver/base_lr: 0.5", "as it began with"});
  EXPECT_EQ(read_file(toy / "run/fold0/config.json"), began);
  const CommandResult again = train({"--resume", "--seed", "7"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("nothing to do: the run is at iteration 7 of 7"), std::string::npos);
  const CommandResult longer = train({"--resume", "--seed", "7", "--max-iter", "9", "--json"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  EXPECT_EQ(Json::parse(longer.out)["runs"][0]["iteration"], 9);
}

TEST(TrainCommand, WhatIsRefusedLeavesNoFolder) {
  const ToyRun toy(7);
  expect_mistake(run_command(toy.path(), toy.train("run", {"--set", "data.crop=13"})), {"crop"});
  EXPECT_FALSE(fs::exists(toy / "run"));
}

TEST(TrainCommand, AFullDiskIsOneLineAndLeavesNoSnapshot) {
  const ToyRun toy(7);
  const CommandResult result =
      run_command(toy.path(), toy.train("run", {"--quiet"}), /*max_file_bytes=*/1500);
  expect_mistake(result, {"cannot write", "iter_7"});
  for (const auto& entry : fs::directory_iterator(toy / "run/fold0"))
    EXPECT_FALSE(entry.path().filename().string().starts_with("iter_")) << entry.path();
}

TEST(EvalCommand, NamesTheFoldThatIsNotThere) {
  const ToyRun toy(7);
  ASSERT_EQ(run_command(toy.path(), toy.train("run")).code, 0);
  const CommandResult result = run_command(toy.path(), toy.eval("run", {"--fold", "1", "--quiet"}));
  expect_mistake(result, {"no fold1 in", "run, expected what `fovea train --fold 1` writes"});
}

TEST(EvalCommand, TheExpectedClassIsAnOption) {
  const ToyRun toy(7);
  ASSERT_EQ(run_command(toy.path(), toy.train("run")).code, 0);
  const auto eval = [&](const std::vector<std::string>& more) {
    const CommandResult result = run_command(toy.path(), toy.eval("run", more));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  const Json with = Json::parse(eval({"--json", "--expected"}));
  for (const char* key : {"mae_expected", "accuracy_expected", "one_off_expected",
                          "mae_expected_oversample", "accuracy_expected_oversample"}) {
    EXPECT_TRUE(with["folds"][0].contains(key)) << key;
    EXPECT_EQ(with["mean"][key], with["folds"][0][key]);
  }
  // Of two classes, the expected one rounds to the more probable one.
  EXPECT_EQ(with["folds"][0]["accuracy_expected"], with["folds"][0]["accuracy"]);
  EXPECT_FALSE(Json::parse(eval({"--json"}))["folds"][0].contains("mae_expected"));
  EXPECT_NE(eval({"--expected"}).find("expected class, 10-crop: accuracy"), std::string::npos);
}

TEST(EvalCommand, MistakesAreOneLine) {
  const ToyRun toy(7);
  const auto eval = [&](const std::string& weights, const std::vector<std::string>& more = {}) {
    return run_command(toy.path(), toy.eval(weights, [&] {
      std::vector<std::string> all{"--quiet"};
      all.insert(all.end(), more.begin(), more.end());
      return all;
    }()));
  };
  expect_mistake(eval("nothing"), {"nothing"});
  fs::create_directories(toy / "empty/fold0");
  expect_mistake(eval("empty"), {"no snapshot in"});
  ASSERT_EQ(run_command(toy.path(), toy.train("run")).code, 0);
  expect_mistake(eval("run", {"--split", "val"}), {"gender/aligned/fold0/val"});

  const std::string bytes = read_file(toy / "run/fold0/iter_7.safetensors");
  write_file(toy / "cut.safetensors", bytes.substr(0, bytes.size() - 5));
  expect_mistake(eval("cut.safetensors"), {"cut.safetensors"});
  WeightFile partial = read_safetensors(toy / "run/fold0/iter_7.safetensors");
  std::erase_if(partial.tensors, [](const auto& t) { return t.first == "scores.bias"; });
  write_safetensors(toy / "partial.safetensors", partial);
  expect_mistake(eval("partial.safetensors"), {"partial.safetensors", "scores.bias"});
  EXPECT_EQ(run_command(toy.path(), toy.eval("run", {"--crops", "ten"})).code, 2);
}

}  // namespace
}  // namespace fovea
