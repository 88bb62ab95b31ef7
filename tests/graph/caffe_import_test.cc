// Caffe's nets as Fovea's JSON: what is written reads back as the same net, in every phase.
#include "engine/graph/caffe_import.h"
#include "engine/core/json_fields.h"

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/graph/caffe_net.h"
#include "engine/graph/graph.h"
#include "engine/graph/net_json.h"
#include "tests/data/sample_store.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kStudy = fs::path(FOVEA_ORACLE).parent_path() / "study" / "model_definitions";
const fs::path kModels = fs::path(FOVEA_ORACLE).parent_path() / "caffemodels";

void expect_same_layers(const NetDefinition& actual, const NetDefinition& expected) {
  ASSERT_EQ(actual.layers.size(), expected.layers.size());
  for (std::size_t i = 0; i < actual.layers.size(); ++i) {
    const LayerDefinition &a = actual.layers[i], &b = expected.layers[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_TRUE(a.op == b.op) << a.name;  // all parameters, fillers too
    EXPECT_EQ(a.bottoms, b.bottoms) << a.name;
    EXPECT_EQ(a.tops, b.tops) << a.name;
    EXPECT_EQ(first_multipliers(a), first_multipliers(b)) << a.name;
  }
}

void expect_same_graph(const Graph& actual, const Graph& expected) {
  EXPECT_EQ(actual.name, expected.name);
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size());
  for (std::size_t i = 0; i < actual.tensors.size(); ++i) {
    EXPECT_EQ(actual.tensors[i].blob, expected.tensors[i].blob);
    EXPECT_EQ(actual.tensors[i].shape, expected.tensors[i].shape) << actual.tensors[i].blob;
  }
}

// Through the text of a file.
NetDefinition read_again(const NetPhases& net, Phase phase) {
  return json_net(Json::parse(net_text(write_net(net))), {.phase = phase}, "written");
}

// `text` comes back the same in every phase that it has.
void expect_round_trip(const std::string& text, const std::vector<std::int64_t>& input = {}) {
  const ProtoMessage message = parse_prototxt(text, "net.prototxt");
  const NetPhases net = import_caffe_net(message, "net.prototxt", input);
  const bool labels = net.train.inputs.size() > 1;
  for (const Phase phase : {Phase::kTrain, Phase::kTest, Phase::kDeploy}) {
    SCOPED_TRACE(static_cast<int>(phase));
    expect_same_layers(read_again(net, phase), phase_of(net, phase));
    if (labels && phase == Phase::kDeploy) continue;  // which the file does not have
    const NetDefinition direct =
        caffe_net(message, {.phase = phase, .batch = 1, .crop = input.empty() ? 0 : input[1]},
                  "net.prototxt");
    expect_same_layers(read_again(net, phase), direct);
    if (labels == (phase != Phase::kDeploy) && input.empty())
      expect_same_graph(build_graph(read_again(net, phase)), build_graph(direct));
  }
}

TEST(CaffeImport, EveryNetOfTheStudyComesBackInEveryPhase) {
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  int files = 0;
  for (const auto& folder : fs::directory_iterator(kStudy)) {
    for (const char* name : {"deploy.prototxt", "train_val_test_fold_is_0.prototxt"}) {
      SCOPED_TRACE(str(folder.path().filename(), "/", name));
      expect_round_trip(read_file(folder.path() / name));
      ++files;
    }
  }
  EXPECT_EQ(files, 76);
}

TEST(CaffeImport, PublishedModelsComeBack) {
  if (!fs::exists(kModels)) GTEST_SKIP() << "the published models are not here";
  for (const char* name : {"cifar10_full/cifar10_full", "cifar10_quick_v2/cifar10_quick",
                           "lenet_mnist/lenet_deploy", "lenet_mnist/lenet_ethereon"}) {
    SCOPED_TRACE(name);
    expect_round_trip(read_file(kModels / str(name, ".prototxt")));
  }
  // Without a crop size: the size comes from elsewhere.
  for (const char* name : {"lenet_mnist/lenet_train_test", "lmdb_32_cassini/lenet_train_test"}) {
    SCOPED_TRACE(name);
    const std::string text = read_file(kModels / str(name, ".prototxt"));
    expect_round_trip(text, {1, 28, 28});
    EXPECT_NE(message_of([&] { expect_round_trip(text); }).find("no crop_size"), std::string::npos);
  }
}

constexpr const char* kTrainVal = R"(
name: "tricky"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 12 mirror: true scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123 }
  data_param { source: "x/gender_lmdb" batch_size: 8 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 12 } data_param { batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 0 } convolution_param { num_output: 4 kernel_h: 3 kernel_w: 5 group: 1 bias_term: false
  weight_filler { type: "uniform" min: -0.1 max: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "aside" type: "Pooling" bottom: "data" top: "aside"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } include { phase: TRAIN } }
layer { name: "norm" type: "LRN" bottom: "conv" top: "normalised"
  lrn_param { local_size: 3 alpha: 0.1 k: 2 norm_region: WITHIN_CHANNEL } }
layer { name: "left" type: "InnerProduct" bottom: "normalised" top: "left" inner_product_param { num_output: 3 } }
layer { name: "right" type: "InnerProduct" bottom: "conv" top: "right" inner_product_param { num_output: 2 } }
layer { name: "both" type: "Concat" bottom: "left" bottom: "right" top: "both" }
layer { name: "drop" type: "Dropout" bottom: "both" top: "both" dropout_param { dropout_ratio: 0.25 } }
layer { name: "scores" type: "InnerProduct" bottom: "both" top: "scores" inner_product_param { num_output: 2 } }
layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" loss_weight: 0.5 }
)";

TEST(CaffeImport, KeepsPhasesSidewaysAndOddFields) { expect_round_trip(kTrainVal); }

TEST(CaffeImport, DeploymentIsTheTestPhaseWithoutLabels) {
  const NetPhases net = import_caffe_net(parse_prototxt(kTrainVal, "f"), "f");
  const auto& layers = net.deploy.layers;
  EXPECT_EQ(net.deploy.inputs.size(), 1U);
  EXPECT_EQ(layers.back().name, "prob");
  EXPECT_EQ(layers.back().bottoms, std::vector<std::string>{"scores"});
  for (const LayerDefinition& layer : layers) {
    EXPECT_NE(layer.name, "loss");
    EXPECT_NE(layer.name, "accuracy");
    EXPECT_NE(layer.name, "aside");
  }
  EXPECT_EQ(layers.size(), 9U);
}

TEST(CaffeImport, TheNumberOfClassesIsAParameter) {
  const Json json = write_net(import_caffe_net(parse_prototxt(kTrainVal, "f"), "f"));
  EXPECT_EQ(json["parameters"]["classes"], 2);
  const Graph graph = build_graph(json_net(json, {.parameters = {{"classes", 7}}}, "f"));
  EXPECT_EQ(graph.tensors[static_cast<std::size_t>(graph.find_blob("prob"))].shape, (Shape{1, 7}));
  // Only of the layer that is the classifier.
  EXPECT_EQ(graph.tensors[static_cast<std::size_t>(graph.find_blob("right"))].shape, (Shape{1, 2}));
}

TEST(CaffeImport, ReadsTheTrainingDataLayer) {
  const CaffeData data = caffe_data(parse_prototxt(kTrainVal, "f"));
  EXPECT_EQ(data.batch, 8);
  EXPECT_EQ(data.crop, 12);
  EXPECT_TRUE(data.mirror);
  EXPECT_EQ(data.scale, 0.5F);
  EXPECT_EQ(data.mean_values, (std::vector<float>{104, 117, 123}));
  EXPECT_EQ(data.source, "x/gender_lmdb");
  EXPECT_FALSE(caffe_data(parse_prototxt("input: \"data\"", "f")).present);
}

TEST(CaffeImport, OurOwnNetsComeBackToo) {
  for (const char* name : {"adiencenet", "caffenet", "googlenet", "vgg16"}) {
    SCOPED_TRACE(name);
    const fs::path file = fs::path(FOVEA_SOURCE_DIR) / "nets" / str(name, ".json");
    const NetPhases net{.train = load_net(file, {.phase = Phase::kTrain}),
                        .test = load_net(file, {.phase = Phase::kTest}),
                        .deploy = load_net(file)};
    for (const Phase phase : {Phase::kTrain, Phase::kTest, Phase::kDeploy})
      expect_same_layers(read_again(net, phase), phase_of(net, phase));
    EXPECT_EQ(write_net(net)["parameters"]["classes"], 8);
  }
}

TEST(CaffeImport, UnknownLayersOfAllPhasesAreOneError) {
  const char* text =
      "input: \"data\" input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4\n"
      "layer { name: \"a\" type: \"Foo\" bottom: \"data\" top: \"a\" include { phase: TRAIN } }\n"
      "layer { name: \"b\" type: \"Bar\" bottom: \"data\" top: \"b\" include { phase: TEST } }\n";
  EXPECT_EQ(message_of([&] { (void)import_caffe_net(parse_prototxt(text, "f"), "f"); }),
            "unknown layer types in f: 'Foo' (a, line 2), 'Bar' (b, line 3)");
}

TEST(CaffeImport, WhatTheFormatCannotSayIsAnError) {
  const auto message = [](const std::string& text) {
    return message_of([&] { (void)write_net(import_caffe_net(parse_prototxt(text, "f"), "f")); });
  };
  const std::string image = "input: \"data\" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }\n",
                    relu = "layer { name: \"$r\" type: \"ReLU\" bottom: \"data\" top: \"data\" }";
  EXPECT_NE(message(image + relu).find("'$r', expected one that does not begin with '$'"),
            std::string::npos);
  const std::string two = image + "input: \"more\" input_shape { dim: 1 dim: 4 }\n";
  EXPECT_NE(message(two + "layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"r\" }")
                .find("more, expected data and label"),
            std::string::npos);
  EXPECT_NE(
      message("layer { name: \"r\" type: \"ReLU\" bottom: \"d\" top: \"r\" }").find("no input"),
      std::string::npos);
}

}  // namespace
}  // namespace fovea
