// `fovea import caffe` and `fovea export` as a user runs them.
#include <gtest/gtest.h>

#include <cstring>

#include "data/mean.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/io/safetensors.h"
#include "tests/support/random_tensor.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(FOVEA_ORACLE).parent_path() / "caffemodels";

// The toy net with weights, and an input.
class Interchange : public testing::Test {
 protected:
  Interchange() {
    write_toy_net(folder_ / "toy.json");
    EXPECT_EQ(run({"net", "init", file("toy.json"), "--out", file("w.safetensors")}).code, 0);
    write_npy(folder_ / "x.npy", random_tensor<float>({3, 3, 10, 10}, 5).view(), false);
  }
  CommandResult run(const std::vector<std::string>& arguments) const {
    return run_command(folder_.path(), arguments);
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }
  CommandResult export_caffe(const std::string& out = "e.caffemodel") const {
    return run({"export", "caffe", file("toy.json"), "--weights", file("w.safetensors"), "--out",
                file(out)});
  }
  std::vector<float> forward(const std::string& net, const std::string& weights,
                             const std::string& out) const {
    const CommandResult result = run({"forward", "--net", file(net), "--weights", file(weights),
                                      "--input", file("x.npy"), "--out", file(out)});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_npy(folder_ / (out + "/prob.npy")).values;
  }
  TemporaryFolder folder_;
};

TEST_F(Interchange, WhatIsExportedIsImportedWithTheSameNumbers) {
  const CommandResult exported = export_caffe();
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_NE(exported.out.find("e.prototxt"), std::string::npos);
  const std::vector<float> expected = forward("toy.json", "w.safetensors", "a");
  EXPECT_EQ(forward("e.prototxt", "e.caffemodel", "b"), expected);

  const CommandResult imported = run({"import", "caffe", file("e.prototxt"), "--weights",
                                      file("e.caffemodel"), "--out", file("in")});
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_NE(imported.out.find("Convolution"), std::string::npos);
  EXPECT_NE(imported.out.find(str(6 * 27 + 6 + 2 * 24 + 2)), std::string::npos) << imported.out;
  EXPECT_EQ(forward("in/Toy.json", "in/Toy.safetensors", "c"), expected);
  // A deploy file says nothing of pixels, so a model of it may be told.
  const CommandResult bundled =
      run({"model", "bundle", "--weights", file("in/Toy.safetensors"), "--mean", "none", "--scale",
           "0.5", "--crop", "10", "--classes", "m,f", "--out", file("bundle.safetensors")});
  EXPECT_EQ(bundled.code, 0) << bundled.err;
  EXPECT_EQ(read_safetensors(file("bundle.safetensors")).metadata.at("scale"), "0.5");
  // The weights alone know their net.
  const CommandResult alone = run({"forward", "--weights", file("in/Toy.safetensors"), "--input",
                                   file("x.npy"), "--out", file("d")});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_EQ(read_npy(folder_ / "d/prob.npy").values, expected);
}

TEST_F(Interchange, MeanAndLabelsTravelWithTheWeights) {
  ASSERT_EQ(export_caffe().code, 0);
  const Tensor<float> mean = random_tensor<float>({3, 12, 12}, 8);
  write_mean(folder_ / "mean.binaryproto", mean.view(), false);
  write_file(folder_ / "labels.txt", "n01 m, man\r\nn02 f\n");
  const std::vector<std::string> import{
      "import", "caffe",   file("e.prototxt"), "--weights", file("e.caffemodel"),
      "--out",  file("in")};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), import.begin(), import.end());
    return run(more);
  };
  const CommandResult result = with({"--mean", file("mean.binaryproto"), "--labels",
                                     file("labels.txt"), "--name", "n", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out)["parameters"], 6 * 27 + 6 + 2 * 24 + 2);
  const WeightFile weights = read_safetensors(folder_ / "in/n.safetensors");
  ASSERT_TRUE(weights.find("__mean__"));
  EXPECT_EQ(weights.find("__mean__")->values, mean.values);
  EXPECT_EQ(weights.metadata.at("classes"), R"(["n01 m, man","n02 f"])");
  EXPECT_EQ(weights.metadata.at("crop"), "10");

  // And back.
  ASSERT_EQ(run({"export", "caffe", file("in/n.json"), "--weights", file("in/n.safetensors"),
                 "--out", file("back.caffemodel")})
                .code,
            0);
  EXPECT_EQ(read_mean(folder_ / "back.binaryproto").values, mean.values);
  EXPECT_EQ(read_file(folder_ / "back.labels.txt"), "n01 m, man\nn02 f\n");

  write_file(folder_ / "three.txt", "a\nb\nc\n");
  expect_mistake(with({"--labels", file("three.txt"), "--name", "o"}),
                 {"three.txt", "3, expected 2"});
  write_mean(folder_ / "small.npy", random_tensor<float>({3, 9, 12}, 8).view(), false);
  expect_mistake(with({"--mean", file("small.npy"), "--name", "o"}), {"small.npy", "3x9x12"});
  EXPECT_FALSE(fs::exists(folder_ / "in/o.json"));
  EXPECT_EQ(
      run({"import", "caffe", file("e.prototxt"), "--mean", file("small.npy"), "--out", file("in")})
          .code,
      2);
}

// A data layer's scale and mean values, with all their digits.
TEST_F(Interchange, TheDataLayersTransformationTravelsToo) {
  write_file(folder_ / "t.prototxt", R"(name: "t"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 2 }
  transform_param { crop_size: 10 scale: 0.00392156862 mean_value: 1 mean_value: 2 mean_value: 3 } }
layer { name: "scores" type: "InnerProduct" bottom: "data" top: "scores" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" })");
  const std::vector<std::string> import{"import", "caffe", file("t.prototxt"), "--out", file("in")};
  ASSERT_EQ(run(import).code, 0);
  ASSERT_EQ(
      run({"net", "init", file("in/t.json"), "--out", file("t.safetensors"), "--seed", "1"}).code,
      0);
  std::vector<std::string> again = import;
  again.insert(again.end(), {"--weights", file("t.safetensors"), "--force"});
  ASSERT_EQ(run(again).code, 0);
  const WeightFile weights = read_safetensors(folder_ / "in/t.safetensors");
  EXPECT_EQ(std::stof(weights.metadata.at("scale")), 0.00392156862F);
  const Tensor<float>* mean = weights.find("__mean__");
  ASSERT_TRUE(mean);
  EXPECT_EQ(mean->shape, (Shape{3, 10, 10}));
  for (std::size_t c = 0; c < 3; ++c)
    EXPECT_EQ(mean->values[100 * c + 99], static_cast<float>(c + 1));
}

TEST_F(Interchange, ImportMistakesAreOneLineAndLeaveNothing) {
  ASSERT_EQ(export_caffe().code, 0);
  const auto import = [&](const std::string& net, const std::string& weights) {
    return run({"import", "caffe", file(net), "--weights", file(weights), "--out", file("none")});
  };
  const std::string net = read_file(folder_ / "e.prototxt"),
                    bytes = read_file(folder_ / "e.caffemodel");
  write_file(folder_ / "cut.caffemodel", bytes.substr(0, bytes.size() - 9));
  expect_mistake(import("e.prototxt", "cut.caffemodel"), {"cut.caffemodel", "truncated"});

  std::string wider = net;
  wider.replace(wider.find("num_output: 2"), 13, "num_output: 3");
  write_file(folder_ / "wider.prototxt", wider);
  expect_mistake(import("wider.prototxt", "e.caffemodel"),
                 {"e.caffemodel", "scores.weight", "2x24", "expected 3x24"});

  std::string renamed = net;
  renamed.replace(renamed.find("name: \"scores\""), 14, "name: \"others\"");
  write_file(folder_ / "renamed.prototxt", renamed);
  expect_mistake(import("renamed.prototxt", "e.caffemodel"),
                 {"e.caffemodel", "others.weight and 1 more"});

  write_file(folder_ / "unknown.prototxt",
             net + "layer { name: \"x\" type: \"Foo\" }\nlayer { name: \"y\" type: \"Bar\" }\n");
  expect_mistake(import("unknown.prototxt", "e.caffemodel"),
                 {"'Foo' (x, line ", "'Bar' (y, line "});
  EXPECT_FALSE(fs::exists(folder_ / "none"));

  ASSERT_EQ(import("e.prototxt", "e.caffemodel").code, 0);
  expect_mistake(import("e.prototxt", "e.caffemodel"), {"Toy.json", "--force"});
  fs::remove(folder_ / "none/Toy.json");
  expect_mistake(import("e.prototxt", "e.caffemodel"), {"Toy.safetensors", "--force"});
  EXPECT_FALSE(fs::exists(folder_ / "none/Toy.json"));
}

TEST_F(Interchange, ExportMistakesAreOneLineAndLeaveNothing) {
  const auto onnx = [&](const std::string& weights, const std::string& out) {
    return run(
        {"export", "onnx", file("toy.json"), "--weights", file(weights), "--out", file(out)});
  };
  WeightFile weights = read_safetensors(folder_ / "w.safetensors");
  for (auto& [name, tensor] : weights.tensors) {
    if (name == "scores.bias") tensor = Tensor<float>(Shape{3});
  }
  write_safetensors(folder_ / "wrong.safetensors", weights);
  expect_mistake(onnx("wrong.safetensors", "m.onnx"), {"wrong.safetensors", "scores.bias"});
  expect_mistake(run({"export", "caffe", file("toy.json"), "--weights", file("wrong.safetensors"),
                      "--out", file("m.caffemodel")}),
                 {"wrong.safetensors", "scores.bias"});
  expect_mistake(export_caffe("m.model"), {"m.model", "NAME.caffemodel"});
  for (const char* name : {"m.onnx", "m.caffemodel", "m.prototxt"})
    EXPECT_FALSE(fs::exists(folder_ / name)) << name;

  ASSERT_EQ(onnx("w.safetensors", "m.onnx").code, 0);
  expect_mistake(onnx("w.safetensors", "m.onnx"), {"m.onnx", "--force"});
  write_file(folder_ / "k.prototxt", "mine");
  expect_mistake(export_caffe("k.caffemodel"), {"k.prototxt", "--force"});
  EXPECT_EQ(read_file(folder_ / "k.prototxt"), "mine");
  EXPECT_FALSE(fs::exists(folder_ / "k.caffemodel"));
  EXPECT_EQ(run({"export", "onnx", file("toy.json")}).code, 2);
}

// A published model, against an independent computation in double (expected.txt beside it).
TEST_F(Interchange, APublishedModelGivesItsPublishedProbabilities) {
  if (!fs::exists(kModels)) GTEST_SKIP() << "the published models are not here";
  const fs::path folder = kModels / "cifar10_quick_v2";
  const CommandResult imported =
      run({"import", "caffe", (folder / "cifar10_quick.prototxt").string(), "--weights",
           (folder / "cifar10_quick_iter_5000.caffemodel").string(), "--mean",
           (folder / "mean.binaryproto").string(), "--out", file("in"), "--name", "cifar"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  const CommandResult predicted = run({"predict", "--weights", file("in/cifar.safetensors"),
                                       (folder / "dog4.png").string(), "--json"});
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  const Json first = Json::parse(predicted.out)["images"][0]["classes"][0];
  EXPECT_EQ(first["class"], "5");
  EXPECT_NEAR(first["probability"].get<double>(), 0.99759255, 1e-5);
}

}  // namespace
}  // namespace fovea
