// Nets as Caffe's files: our own importer reads back what was written, and the bytes are Caffe's.
#include "engine/io/caffe_export.h"

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/graph/caffe_net.h"
#include "engine/graph/net_writer.h"
#include "engine/io/caffemodel.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

void expect_round_trip(const NetDefinition& net, Phase phase) {
  const NetDefinition read =
      caffe_net(parse_prototxt(caffe_prototxt(net), "written"), {.phase = phase}, "written");
  EXPECT_EQ(read.name, net.name);
  ASSERT_EQ(read.inputs.size(), net.inputs.size());
  for (std::size_t i = 0; i < read.inputs.size(); ++i) {
    EXPECT_EQ(read.inputs[i].name, net.inputs[i].name);
    EXPECT_EQ(read.inputs[i].shape, net.inputs[i].shape);
  }
  ASSERT_EQ(read.layers.size(), net.layers.size());
  for (std::size_t i = 0; i < read.layers.size(); ++i) {
    const LayerDefinition &a = read.layers[i], &b = net.layers[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_TRUE(a.op == b.op) << a.name;
    EXPECT_EQ(a.bottoms, b.bottoms) << a.name;
    EXPECT_EQ(a.tops, b.tops) << a.name;
    EXPECT_EQ(first_multipliers(a), first_multipliers(b)) << a.name;
  }
}

TEST(CaffeExport, OurNetsComeBackInEveryPhase) {
  for (const char* name : {"adiencenet", "caffenet", "googlenet", "vgg16"}) {
    for (const Phase phase : {Phase::kTrain, Phase::kTest, Phase::kDeploy}) {
      SCOPED_TRACE(str(name, " ", static_cast<int>(phase)));
      const fs::path file = fs::path(FOVEA_SOURCE_DIR) / "nets" / str(name, ".json");
      expect_round_trip(load_net(file, {.phase = phase, .batch = 3}), phase);
    }
  }
}

// Every field of every operation away from its default, and names that need escaping.
NetDefinition odd_net() {
  const Filler uniform{.type = FillerType::kUniform, .min = -0.1F, .max = 0.3F},
      gaussian{.type = FillerType::kGaussian, .mean = 1e-7F, .std = 0.1F};
  const auto layer = [](const char* name, OpParams op, const char* bottom, const char* top) {
    return LayerDefinition{
        .name = name, .op = op, .bottoms = {bottom}, .tops = {top}, .params = {}};
  };
  NetDefinition net{.name = "a \"quoted\" \\ name",
                    .inputs = {{"data", Shape{2, 4, 11, 9}}, {"label", Shape{2}}},
                    .layers = {}};
  net.layers.push_back(layer("conv",
                             ConvolutionParams{.outputs = 6,
                                               .kernel = {3, 2},
                                               .stride = {2, 1},
                                               .pad = {1, 0},
                                               .groups = 2,
                                               .bias = false,
                                               .weight_filler = uniform},
                             "data", "conv"));
  net.layers.back().params = {{0.5F, 2}, {3, 0}};
  net.layers.push_back(layer("relu", ReluParams{.slope = 0.1F}, "conv", "conv"));
  net.layers.push_back(
      layer("pool",
            PoolingParams{
                .mode = PoolingMode::kAverage, .kernel = {3, 2}, .stride = {2, 2}, .pad = {1, 1}},
            "conv", "pool"));
  net.layers.push_back(layer("top", PoolingParams{.global = true}, "pool", "top"));
  net.layers.push_back(layer(
      "norm",
      LrnParams{
          .size = 3, .alpha = 0.3F, .beta = 0.5F, .k = 2, .region = LrnRegion::kWithinChannel},
      "pool", "norm"));
  net.layers.push_back(
      layer("fc", InnerProductParams{.outputs = 3, .bias_filler = gaussian}, "norm", "fc"));
  net.layers.push_back(layer("drop", DropoutParams{.ratio = 0.75F}, "fc", "fc"));
  LayerDefinition loss = layer(
      "loss",
      SoftmaxLossParams{
          .loss_weight = 0.3F, .has_ignore_label = true, .ignore_label = 2, .normalize = false},
      "fc", "loss");
  loss.bottoms.emplace_back("label");
  net.layers.push_back(loss);
  LayerDefinition accuracy =
      layer("accuracy", AccuracyParams{.top_k = 2, .has_ignore_label = true, .ignore_label = 1},
            "fc", "accuracy");
  accuracy.bottoms.emplace_back("label");
  net.layers.push_back(accuracy);
  return net;
}

TEST(CaffeExport, KeepsEveryField) { expect_round_trip(odd_net(), Phase::kTrain); }

NetDefinition small_net() {
  return {.name = "n",
          .inputs = {{"d", Shape{1, 2}}},
          .layers = {
              {.name = "fc",
               .op = InnerProductParams{.outputs = 1},
               .bottoms = {"d"},
               .tops = {"f"},
               .params = {}},
              {.name = "p", .op = SoftmaxParams{}, .bottoms = {"f"}, .tops = {"p"}, .params = {}}}};
}

// By hand from caffe.proto: name 1, layer 100 (name 1, type 2, bottom 3, top 4, blobs 7), BlobProto
// shape 7 (dim 1), data 5.
TEST(CaffeExport, WritesTheBytesOfCaffe) {
  const TemporaryFolder folder;
  const NamedTensors weights{{"fc.weight", Tensor<float>(Shape{1, 2}, {1, 2})},
                             {"fc.bias", Tensor<float>(Shape{1}, {-0.5F})}};
  write_caffemodel(folder / "n.caffemodel", small_net(), weights, false);
  using namespace std::string_literals;
  const std::string weight = "\x3a\x04\x08\x01\x08\x02\x2a\x08\0\0\x80\x3f\0\0\0\x40"s,
                    bias = "\x3a\x02\x08\x01\x2a\x04\0\0\0\xbf"s,
                    layer = "\x0a\x02"s + "fc\x12\x0cInnerProduct\x1a\x01"s + "d\x22\x01"s +
                            "f\x3a\x10"s + weight + "\x3a\x0a"s + bias;
  EXPECT_EQ(read_file(folder / "n.caffemodel"),
            "\x0a\x01n\xa2\x06"s + static_cast<char>(layer.size()) + layer);
  const WeightFile read = read_caffemodel(folder / "n.caffemodel");
  ASSERT_EQ(read.tensors.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.tensors[i].first, weights[i].first);
    EXPECT_EQ(read.tensors[i].second.shape, weights[i].second.shape);
    EXPECT_EQ(read.tensors[i].second.values, weights[i].second.values);
  }
  EXPECT_NE(
      message_of([&] { write_caffemodel(folder / "n.caffemodel", small_net(), weights, false); }),
      "");
}

TEST(TakeWeights, GivesTheNetsOrderAndShapesAndLeavesTheRest) {
  const Graph graph = build_graph(small_net());
  const auto file = [] {
    WeightFile result;
    result.tensors.emplace_back("other", Tensor<float>(Shape{1}));
    result.tensors.emplace_back("fc.bias", Tensor<float>(Shape{1, 1, 1, 1}, {3}));
    result.tensors.emplace_back("fc.weight", Tensor<float>(Shape{1, 1, 1, 2}, {1, 2}));
    return result;
  };
  WeightFile whole = file();
  const NamedTensors taken = take_weights(graph, whole, "w");
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].first, "fc.weight");
  EXPECT_EQ(taken[0].second.shape, (Shape{1, 2}));
  EXPECT_EQ(taken[1].second.values, std::vector<float>{3});
  ASSERT_EQ(whole.tensors.size(), 1U);
  EXPECT_EQ(whole.tensors[0].first, "other");

  WeightFile part = file();
  part.tensors.pop_back();
  EXPECT_EQ(message_of([&] { (void)take_weights(graph, part, "w"); }),
            "missing weights in w: fc.weight, expected every parameter of net n");
  part = file();
  part.tensors.pop_back();
  EXPECT_EQ(take_weights(graph, part, "w", /*all=*/false).size(), 1U);
  WeightFile wrong = file();
  wrong.tensors[2].second = Tensor<float>(Shape{3});
  EXPECT_EQ(message_of([&] { (void)take_weights(graph, wrong, "w"); }),
            "wrong shape in w: tensor fc.weight: 3, expected 1x2");
}

}  // namespace
}  // namespace fovea
