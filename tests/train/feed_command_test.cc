// `fovea train --batches`: the way of the batches to a device changes no bit of a run.
#include <gtest/gtest.h>

#include "engine/backend/registry.h"
#include "engine/train/run_log.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

class TrainBatches : public testing::Test {
 protected:
  void SetUp() override {
    if (!missing_device("emulated").empty()) GTEST_SKIP() << missing_device("emulated");
  }

  std::string train(const std::string& out, const std::string& batches,
                    std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--device", "emulated", "--batches", batches});
    const CommandResult result = run_command(toy_.path(), toy_.train(out, more));
    EXPECT_EQ(result.code, 0) << result.err;
    return result.err;
  }
  [[nodiscard]] std::vector<double> losses(const std::string& out) const {
    std::vector<double> all;
    for (const Json& entry : read_run_log(toy_ / out / "fold0").entries)
      all.push_back(entry["loss"].get<double>());
    return all;
  }
  void expect_equal(const std::string& one, const std::string& other) const {
    EXPECT_EQ(losses(one), losses(other));
    for (const char* name : {"fold0/iter_14.safetensors", "fold0/iter_14.state"})
      EXPECT_TRUE(read_file(toy_ / one / name) == read_file(toy_ / other / name)) << name;
  }

  ToyRun toy_{14};
};

TEST_F(TrainBatches, ResidentStreamedAndHostTrainTheSameBits) {
  EXPECT_NE(train("host", "host").find("batches made on the host"), std::string::npos);
  EXPECT_NE(train("streamed", "streamed").find("batches streamed"), std::string::npos);
  EXPECT_NE(train("resident", "resident").find("batches resident"), std::string::npos);
  EXPECT_GT(losses("host").size(), 3U);
  expect_equal("host", "streamed");
  expect_equal("host", "resident");
}

TEST_F(TrainBatches, AResumedRunMayTakeAnotherWay) {
  train("whole", "host");
  train("pieces", "resident", {"--max-iter", "7"});
  train("pieces", "streamed", {"--resume"});
  EXPECT_TRUE(read_file(toy_ / "whole/fold0/iter_14.safetensors") ==
              read_file(toy_ / "pieces/fold0/iter_14.safetensors"));
}

TEST_F(TrainBatches, SaysWhyTheHostMakesThem) {
  const std::string talk = train("run", "auto", {"--set", "data.zoom=0.1"});
  EXPECT_NE(talk.find("batches made on the host: the images are augmented"), std::string::npos)
      << talk;
  const CommandResult refused =
      run_command(toy_.path(), toy_.train("none", {"--device", "cpu", "--batches", "resident"}));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("no resident batches"), std::string::npos) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(toy_ / "none/fold0"));
}

TEST_F(TrainBatches, AnEvaluationOnTheDeviceSeesTheSameImages) {
  train("host", "host", {"--set", "evaluation.interval=7", "--set", "evaluation.split=test"});
  train("streamed", "streamed",
        {"--set", "evaluation.interval=7", "--set", "evaluation.split=test"});
  const auto evaluations = [&](const std::string& out) {
    Json all = Json::array();
    for (const Json& entry : read_run_log(toy_ / out / "fold0").entries) {
      if (entry.contains("evaluation")) all.push_back(entry["evaluation"]);
    }
    return all;
  };
  EXPECT_EQ(evaluations("host").size(), 2U);
  EXPECT_EQ(evaluations("host"), evaluations("streamed"));
  const CommandResult result =
      run_command(toy_.path(), toy_.eval("host", {"--device", "emulated", "--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["folds"][0]["count"], kToyImages / 2);
}

}  // namespace
}  // namespace fovea
