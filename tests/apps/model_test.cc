// `fovea model`, and models as all that predict and relevance need.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "data/image.h"
#include "data/mean.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/io/safetensors.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class ModelCommand : public testing::Test {
 protected:
  ModelCommand() : toy_(14) {
    EXPECT_EQ(run_command(toy_.path(), toy_.train("run")).code, 0);
    Image light{.height = 16, .width = 20};
    light.pixels.assign(std::size_t{20} * 16 * 3, 230);
    write_file(toy_ / "light.png", encode_png(light));
  }
  CommandResult run(const std::vector<std::string>& arguments) const {
    return run_command(toy_.path(), arguments);
  }
  [[nodiscard]] std::string snapshot() const { return toy_.file("run/fold0/iter_14.safetensors"); }
  std::string bundle() const {
    const CommandResult result =
        run({"model", "bundle", "--weights", snapshot(), "--out", toy_.file("m.safetensors")});
    EXPECT_EQ(result.code, 0) << result.err;
    return toy_.file("m.safetensors");
  }

  ToyRun toy_;
};

TEST_F(ModelCommand, ABundleHoldsTheNetTheMeanTheClassesAndWhereItComesFrom) {
  const std::string model = bundle();
  const CommandResult result = run({"model", "inspect", model, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["format"], "fovea-model 1");
  EXPECT_EQ(json["net"], "Toy");
  EXPECT_EQ(json["input"], Json::parse("[3, 10, 10]"));
  EXPECT_EQ(json["parameters"], 6 * 27 + 6 + 2 * 6 * 4 + 2);
  EXPECT_EQ(json["classes"], Json::parse(R"(["m", "f"])"));
  EXPECT_EQ(json["mean"]["shape"], Json::parse("[3, 12, 12]"));
  EXPECT_EQ(json["crop"], 10);
  EXPECT_EQ(json["channel_order"], "BGR");
  EXPECT_EQ(json["iteration"], 14);
  const Json& training = json["training"];
  EXPECT_EQ(training["config"]["solver"]["max_iter"], 14);
  EXPECT_EQ(training["config"]["net"], "toy.json");
  EXPECT_EQ(training["run"]["fold"], 0);
  EXPECT_EQ(training["run"]["seed"], 1);
  EXPECT_EQ(training["run"]["store"], "toy.fovea");
  EXPECT_EQ(json["tensors"].size(), 5U);
  // No folder of this machine.
  EXPECT_EQ(read_file(model).find(toy_.path().string()), std::string::npos);
  const CommandResult text = run({"model", "inspect", model});
  EXPECT_NE(text.out.find("classes       [\"m\",\"f\"]"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("tensor        conv.weight [6,3,3,3]"), std::string::npos) << text.out;
}

TEST_F(ModelCommand, PredictAndRelevanceNeedNothingElse) {
  const std::string model = bundle();
  // Neither the net's file nor the run is there any more.
  const std::string by_snapshot =
      run({"predict", "--weights", snapshot(), toy_.file("light.png")}).out;
  fs::rename(toy_ / "toy.json", toy_ / "gone.json");
  fs::remove_all(toy_ / "run");
  const CommandResult predicted = run({"predict", "--model", model, toy_.file("light.png")});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_EQ(predicted.out, by_snapshot);
  const CommandResult explained = run({"relevance", "--model", model, toy_.file("light.png"),
                                       "--rule", "epsilon", "--out", toy_.file("maps")});
  EXPECT_EQ(explained.code, 0) << explained.err;
  EXPECT_FALSE(fs::is_empty(toy_ / "maps"));
}

TEST_F(ModelCommand, AViewNeedsItsStoreAndAStoreItsView) {
  const std::string model = bundle(), store = toy_.file("toy.fovea");
  EXPECT_EQ(run({"predict", "--model", model, "--data", store}).code, 2);
  EXPECT_EQ(run({"predict", "--model", model, "--view", "some", "face.png"}).code, 2);
}

// Class 1 of "young, old" is not class 1 of "m, f".
TEST_F(ModelCommand, ALabelAmongOtherClassesIsNone) {
  StoreWriter writer(toy_ / "other.fovea", {{"age", {"young", "old"}}}, true);
  writer.add({.height = 12, .width = 12, .source = "one.png", .labels = {1}},
             random_bytes(3 * 12 * 12, 1));
  writer.add_view("all", "age", std::vector<std::uint32_t>{0}, Json::object());
  writer.commit(Json::object());
  expect_mistake(run({"relevance", "--model", bundle(), "--data", toy_.file("other.fovea"),
                      "--view", "all", "--target", "label", "--out", toy_.file("o"), "--quiet"}),
                 {"no label for image 0_one", "labelled with the model's classes"});
}

// Outside of what pixels are, and no range to stretch over them.
TEST_F(ModelCommand, AConstantFloatRecordHasAPicture) {
  StoreWriter writer(toy_ / "constant.fovea", {{"gender", {"m", "f"}}}, true);
  const std::vector<float> values(3 * 12 * 12, -5);
  std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  writer.add({.encoding = Encoding::kFloat,
              .channels = 3,
              .height = 12,
              .width = 12,
              .source = "grey.png",
              .labels = {0}},
             bytes);
  writer.add_view("all", "gender", std::vector<std::uint32_t>{0}, Json::object());
  writer.commit(Json::object());
  const CommandResult result =
      run({"relevance", "--model", bundle(), "--data", toy_.file("constant.fovea"), "--view", "all",
           "--rule", "epsilon", "--out", toy_.file("constant"), "--quiet"});
  EXPECT_EQ(result.code, 0) << result.err;
}

// One view of the same values, of bytes and of floats: equal classes, maps and pictures.
TEST_F(ModelCommand, ViewsOfFloatRecordsAreReadAsTheyAre) {
  const auto write_store = [&](const std::string& name, Encoding encoding, float shift,
                               int channels = 3) {
    StoreWriter writer(toy_ / name, {{"gender", {"m", "f"}}}, true);
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto size = static_cast<std::size_t>(channels) * 12 * 12;
      std::vector<std::uint8_t> bytes = random_bytes(size, i);
      std::vector<float> values(bytes.begin(), bytes.end());
      for (float& value : values) value += shift;
      if (encoding == Encoding::kFloat) {
        bytes.resize(size * sizeof(float));
        std::memcpy(bytes.data(), values.data(), bytes.size());
      }
      writer.add({.encoding = encoding,
                  .channels = channels,
                  .height = 12,
                  .width = 12,
                  .source = str("face", i, ".png"),
                  .labels = {static_cast<std::int32_t>(i % 2)}},
                 bytes);
    }
    writer.add_view("some", "gender", std::vector<std::uint32_t>{2, 0, 1}, Json::object());
    writer.commit(Json::object());
    return toy_.file(name);
  };
  const std::string bytes = write_store("bytes.fovea", Encoding::kRaw, 0),
                    floats = write_store("floats.fovea", Encoding::kFloat, 0);
  const std::string model = bundle();
  const auto predicted = [&](const std::string& store) {
    const CommandResult result =
        run({"predict", "--model", model, "--data", store, "--view", "some", "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out)["images"];
  };
  const Json images = predicted(bytes);
  ASSERT_EQ(images.size(), 3U);
  EXPECT_EQ(images[0]["image"], "face2.png");
  EXPECT_EQ(images[0]["record"], 2);
  EXPECT_EQ(images[2]["label"], "f");
  EXPECT_NE(images[0]["classes"], images[1]["classes"]);
  EXPECT_EQ(predicted(floats), images);
  const auto explain = [&](const std::string& store, const std::string& out) {
    return run({"relevance", "--model", model, "--data", store, "--view", "some", "--rule",
                "epsilon", "--raw", "--out", toy_.file(out), "--quiet"});
  };
  ASSERT_EQ(explain(bytes, "of_bytes").code, 0);
  ASSERT_EQ(explain(floats, "of_floats").code, 0);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(toy_ / "of_bytes")) {
    EXPECT_TRUE(read_file(entry.path()) == read_file(toy_ / "of_floats" / entry.path().filename()))
        << entry.path();
    ++files;
  }
  EXPECT_GE(files, 6U);
  // Numbers that are no pixels, and channels that the net has not.
  const std::string shifted = write_store("shifted.fovea", Encoding::kFloat, -100);
  EXPECT_NE(predicted(shifted)[0]["classes"], images[0]["classes"]);
  const CommandResult of_shifted = explain(shifted, "of_shifted");
  EXPECT_EQ(of_shifted.code, 0) << of_shifted.err;
  const std::string grey = write_store("grey.fovea", Encoding::kRaw, 0, 1);
  expect_mistake(explain(grey, "of_grey"),
                 {"wrong channels in", "grey.fovea:record 2", "expected 3"});
  expect_mistake(run({"predict", "--model", model, "--data", grey, "--view", "some"}),
                 {"wrong channels in", "grey.fovea:record 2", "expected 3"});
  EXPECT_EQ(run({"predict", "--model", model}).code, 2);
}

TEST_F(ModelCommand, MeanMapsTakeCompleteModels) {
  const std::string model = bundle();
  fs::rename(toy_ / "toy.json", toy_ / "gone.json");
  const auto average = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"relevance", "average", toy_.file("light.png"), "--rule", "epsilon",
                               "--out", toy_.file("means"), "--raw", "--force", "--json"});
    return run(more);
  };
  const CommandResult two = average({"--model", model + "," + model});
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_EQ(Json::parse(two.out)["groups"][0]["maps"], 2);
  const CommandResult none = average({"--model", model, "--minus", model});
  ASSERT_EQ(none.code, 0) << none.err;
  for (const float value : read_npy(toy_.file("means/all.relevance.npy")).values) {
    ASSERT_EQ(value, 0.F);
  }
  expect_mistake(average({"--model", model, "--weights", model}), {"two models"});
}

TEST_F(ModelCommand, WhatDoesNotBelongToTheModelIsRefused) {
  const std::string model = bundle(), image = toy_.file("light.png");
  const auto predict = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"predict", "--model", model, image});
    return run(more);
  };
  EXPECT_EQ(predict({"--net", toy_.file("toy.json")}).code, 0);
  std::string text = read_file(toy_ / "toy.json");
  text.replace(text.find("\"stride\": 2"), 11, "\"stride\": 1");
  write_file(toy_ / "other.json", text);
  expect_mistake(predict({"--net", toy_.file("other.json")}),
                 {"--net", "other.json", "layer conv: stride 1, expected 2"});
  const Tensor<float> mean = *read_safetensors(model).find("__mean__");
  write_mean(toy_ / "same.npy", mean.view(), false);
  EXPECT_EQ(predict({"--mean", toy_.file("same.npy")}).code, 0);
  Tensor<float> other = mean;
  other.values[5] += 1;
  write_mean(toy_ / "mean.npy", other.view(), false);
  expect_mistake(predict({"--mean", toy_.file("mean.npy")}), {"--mean", "mean.npy", "3x12x12"});
  expect_mistake(predict({"--weights", snapshot()}), {"two models"});

  write_npy(toy_ / "x.npy", Tensor<float>({1, 3, 9, 10}).view());
  expect_mistake(run({"relevance", "--model", model, "--input", toy_.file("x.npy"), "--out",
                      toy_.file("maps")}),
                 {"x.npy", "1x3x9x10", "expected images of 1x3x10x10"});
  EXPECT_FALSE(fs::exists(toy_ / "maps"));
  EXPECT_EQ(run({"predict", image}).code, 2);
}

TEST_F(ModelCommand, IncompleteModelsSayWhatIsMissing) {
  WeightFile bare = read_safetensors(snapshot());
  bare.metadata.clear();
  std::erase_if(bare.tensors, [](const auto& t) { return t.first == "__mean__"; });
  write_safetensors(toy_ / "bare.safetensors", bare);
  const std::string weights = toy_.file("bare.safetensors"), out = toy_.file("b.safetensors");
  const auto bundle_bare = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"model", "bundle", "--weights", weights, "--out", out, "--quiet"});
    return run(more);
  };
  expect_mistake(run({"predict", "--model", weights, toy_.file("light.png")}),
                 {"bare.safetensors", "no net"});
  expect_mistake(bundle_bare({}), {"b.safetensors", "no net"});
  std::vector<std::string> all{"--net", toy_.file("toy.json"), "--crop", "10", "--mean", "none"};
  expect_mistake(bundle_bare(all), {"no classes"});
  all.insert(all.end(), {"--classes", "m,f,x"});
  expect_mistake(bundle_bare(all), {"wrong shape", "scores.weight"});
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out + ".tmp"));
  all.back() = "m,f";
  const CommandResult made = bundle_bare(all);
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(run({"predict", "--model", out, toy_.file("light.png")}).code, 0);
  expect_mistake(bundle_bare(all), {"output exists"});
  EXPECT_EQ(Json::parse(run({"model", "inspect", weights, "--json"}).out)["complete"], false);
  // What the weights say themselves is not to be changed.
  expect_mistake(run({"model", "bundle", "--weights", snapshot(), "--crop", "9", "--out",
                      toy_.file("c.safetensors"), "--quiet"}),
                 {"--crop", "9", "expected the model's own, 10"});
}

TEST_F(ModelCommand, PythonsSafetensorsReadsIt) {
  const std::string python = std::string(FOVEA_SOURCE_DIR) + "/.venv/bin/python";
  if (std::system((python + " -c 'import safetensors, numpy' >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << "no safetensors in .venv (scripts/peers makes it)";
  write_file(toy_ / "read.py", R"(
import sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    print(f.metadata()["classes"], f.metadata()["format"])
    print(sorted(f.keys()), f.get_tensor("__mean__").shape)
)");
  const std::string out = toy_.file("out");
  ASSERT_EQ(
      std::system((python + " " + toy_.file("read.py") + " " + bundle() + " >" + out).c_str()), 0);
  EXPECT_EQ(
      read_file(out),
      "[\"m\",\"f\"] fovea-model 1\n"
      "['__mean__', 'conv.bias', 'conv.weight', 'scores.bias', 'scores.weight'] (3, 12, 12)\n");
}

}  // namespace
}  // namespace fovea
