// The moving average of the weights: its formula, and as a model beside them.
#include "engine/train/weight_average.h"

#include <gtest/gtest.h>

#include "engine/graph/net_json.h"
#include "engine/train/filler.h"
#include "engine/train/snapshots.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

TEST(WeightAverage, IsTheFormulaAndComesBackFromItsFile) {
  const TemporaryFolder folder;
  write_toy_net(folder / "toy.json");
  Executor executor(
      build_graph(load_net(folder / "toy.json", {.phase = Phase::kTrain, .batch = 2})),
      {.training = true});
  fill_params(executor, 1);
  WeightAverage average(executor, 0.5F);
  const std::vector<float> start = executor.param(0);
  std::vector<double> expected(start.begin(), start.end());
  const auto check = [&] {
    WeightFile file;
    average.append(file);
    ASSERT_EQ(file.tensors.size(), executor.param_count());
    EXPECT_EQ(file.tensors[0].first, "conv.weight");
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(file.tensors[0].second.values[i], expected[i], 1e-5) << i;
  };
  // min(0.5, (1 + n) / (10 + n)): 2/11, 3/12, ..., 0.5 from n = 8 on.
  for (std::int64_t n = 1; n <= 10; ++n) {
    fill_params(executor, static_cast<std::uint64_t>(n + 1));
    const double d = std::min(0.5, static_cast<double>(1 + n) / static_cast<double>(10 + n));
    const std::vector<float> w = executor.param(0);
    for (std::size_t i = 0; i < w.size(); ++i)
      expected[i] = d * expected[i] + (1 - d) * static_cast<double>(w[i]);
    average.update(n);
    check();
  }
  WeightFile file;
  average.append(file);
  average.update(11);
  average.restore(file, "file");
  check();
  file.tensors.pop_back();
  EXPECT_NE(message_of([&] { average.restore(file, "file"); }).find("scores.bias"),
            std::string::npos);
}

TEST(WeightAverage, LiesBesideTheWeightsAndLeavesTheTrainingAsItIs) {
  const ToyRun toy(35);
  const std::vector<std::string> more{"--set", "solver.ema=0.9", "--set", "solver.keep_last=1"};
  ASSERT_EQ(run_command(toy.path(), toy.train("averaged", more)).code, 0);
  ASSERT_EQ(run_command(toy.path(), toy.train("plain")).code, 0);
  const std::string weights = read_file(toy / "averaged/fold0/iter_35.safetensors");
  EXPECT_TRUE(weights == read_file(toy / "plain/fold0/iter_35.safetensors"));
  EXPECT_FALSE(fs::exists(average_path(toy / "plain/fold0", 35)));
  EXPECT_FALSE(fs::exists(average_path(toy / "averaged/fold0", 28)));
  const WeightFile average = read_safetensors(average_path(toy / "averaged/fold0", 35));
  EXPECT_EQ(average.metadata.at("averaged"), "0.9");
  EXPECT_EQ(average.metadata.at("classes"), R"(["m","f"])");
  EXPECT_NE(average.find("conv.weight")->values,
            read_safetensors(toy / "plain/fold0/iter_35.safetensors").find("conv.weight")->values);
  const CommandResult evaluated =
      run_command(toy.path(), toy.eval("averaged", {"--snapshot", "average"}));
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_NE(evaluated.err.find("ema_35"), std::string::npos) << evaluated.err;
  // Without its average there is no exact resume.
  fs::remove(average_path(toy / "averaged/fold0", 35));
  std::vector<std::string> resume = more;
  resume.insert(resume.end(), {"--resume", "--quiet"});
  expect_mistake(run_command(toy.path(), toy.train("averaged", resume)), {"ema_35.safetensors"});
}

}  // namespace
}  // namespace fovea
