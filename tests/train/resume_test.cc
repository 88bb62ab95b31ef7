// The `fovea` command as scripts use it: a training run killed at any moment and resumed ends with
// the same bytes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "engine/core/file.h"
#include "engine/core/random.h"
#include "engine/train/evaluate.h"
#include "engine/train/trainer.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(testing::TempDir()) / str("fovea_resume_", ::getpid());

// Starts `fovea ARGUMENTS...`; returns its process id.
pid_t start(const std::vector<std::string>& arguments) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  std::vector<char*> argv = {const_cast<char*>(FOVEA_COMMAND)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(FOVEA_COMMAND, argv.data());
  ::_exit(127);
}

int finish(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
int run(const std::vector<std::string>& arguments) { return finish(start(arguments)); }

class Resume : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    fs::create_directories(kFolder);
    const std::string faces = (kFolder / "faces").string();
    ASSERT_EQ(run({"data", "synth", "--out", faces, "--count", "80", "--size", "40", "--quiet"}),
              0);
    ASSERT_EQ(run({"data", "adience", "--images", faces, "--folds", faces, "--out", store(),
                   "--size", "40", "--quiet"}),
              0);
    write_file(
        kFolder / "net.json",
        R"({"name": "tiny", "parameters": {"classes": 8}, "input": {"shape": [3, 32, 32]}, "layers": [
      {"name": "conv", "type": "convolution", "outputs": 16, "kernel": 5, "stride": 2, "weight_filler": {"type": "gaussian", "std": 0.01}},
      {"name": "relu", "type": "relu"}, {"name": "pool", "type": "pooling", "kernel": 3, "stride": 2},
      {"name": "fc1", "type": "inner_product", "outputs": 32, "weight_filler": {"type": "msra"}}, {"name": "relu1", "type": "relu"},
      {"name": "drop", "type": "dropout"},
      {"name": "fc2", "type": "inner_product", "outputs": "$classes", "weight_filler": {"type": "gaussian", "std": 0.01}},
      {"name": "loss", "type": "softmax_loss", "bottom": ["fc2", "label"], "phase": ["train", "test"]},
      {"name": "prob", "type": "softmax", "phase": "deploy"}]})");
    write_file(kFolder / "config.json", str(R"({"net": ")", (kFolder / "net.json").string(),
                                            R"(", "data": {"batch": 8, "crop": 32, "scale": 0.01},
                                            "solver": {"base_lr": 0.01, "policy": "fixed", "max_iter": 300, "snapshot": 10, "display": 10}})"));
  }
  static void TearDownTestSuite() { fs::remove_all(kFolder); }

  static std::string store() { return (kFolder / "faces.fovea").string(); }
  static std::vector<std::string> train(const std::string& name, bool resume) {
    std::vector<std::string> arguments = {
        "train", (kFolder / "config.json").string(), "--data",  store(),
        "--out", (kFolder / name).string(),          "--quiet", "--threads",
        "1"};
    if (resume) arguments.emplace_back("--resume");
    return arguments;
  }
  static std::string file(const std::string& name, const std::string& inner) {
    return read_file(kFolder / name / "fold0" / inner);
  }
};

TEST_F(Resume, KilledAtRandomMomentsEndsWithTheSameBytes) {
  ASSERT_EQ(run(train("whole", false)), 0);
  bool resume = false;
  int kills = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const pid_t child = start(train("killed", resume));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random_below({.seed = 5}, i, 150)));
    ::kill(child, SIGKILL);
    kills += finish(child) == -1 ? 1 : 0;
    resume = fs::exists(kFolder / "killed" / "fold0");
  }
  EXPECT_GT(kills, 0);
  ASSERT_EQ(run(train("killed", true)), 0);
  EXPECT_EQ(file("killed", "iter_300.safetensors"), file("whole", "iter_300.safetensors"));
  EXPECT_EQ(file("killed", "iter_300.state"), file("whole", "iter_300.state"));
}

TEST_F(Resume, MistakesAreOneLineAndExitCodeOne) {
  EXPECT_EQ(run({"train", (kFolder / "none.json").string(), "--data", store(), "--out",
                 (kFolder / "x").string()}),
            1);
  write_file(kFolder / "wrong.json", R"({"sovler": {}})");
  EXPECT_EQ(run({"train", (kFolder / "wrong.json").string(), "--data", store(), "--out",
                 (kFolder / "x").string()}),
            1);
  EXPECT_FALSE(fs::exists(kFolder / "x"));
  EXPECT_EQ(run({"train"}), 2);
}

TEST(Evaluation, CountsRightAndNeighbouringClasses) {
  const std::vector<int> truth = {0, 0, 1, 2, 3}, predicted = {0, 1, 1, 0, 3};
  const Evaluation e = evaluate(truth, predicted, 4);
  EXPECT_DOUBLE_EQ(e.accuracy, 0.6);
  EXPECT_DOUBLE_EQ(e.one_off, 0.8);
  EXPECT_DOUBLE_EQ(e.mae, 0.6);
  EXPECT_EQ(e.confusion[0][1], 1);
  EXPECT_DOUBLE_EQ(e.per_class_recall[0], 0.5);
  const std::vector<double> values = {1, 3};
  EXPECT_DOUBLE_EQ(spread(values).mean, 2);
  EXPECT_DOUBLE_EQ(spread(values).std, 1);
}

}  // namespace
}  // namespace fovea
