// The four nets as JSON against the study's own prototxt files, layer by layer, and their published
// sizes.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/graph/graph.h"
#include "engine/graph/prototxt.h"
#include "tests/support/message_of.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kNets = fs::path(FOVEA_SOURCE_DIR) / "nets";
const fs::path kStudy = fs::path(FOVEA_ORACLE).parent_path() / "study" / "model_definitions";

std::int64_t parameter_count(const Graph& graph) {
  std::int64_t sum = 0;
  for (const Node& node : graph.nodes) {
    for (const ParamInfo& param : node.params) sum += param.shape.count();
  }
  return sum;
}

Graph deploy(const std::string& name) { return build_graph(load_net(kNets / (name + ".json"))); }

TEST(Nets, HaveThePublishedParameterCounts) {
  EXPECT_EQ(parameter_count(deploy("adiencenet")), 11415048);
  EXPECT_EQ(parameter_count(deploy("caffenet")), 56901000);
  EXPECT_EQ(parameter_count(deploy("googlenet")), 10327880);
  EXPECT_EQ(parameter_count(deploy("vgg16")), 134293320);
}

TEST(Nets, GoogLeNetDeploysWithBothAuxiliaryHeads) {
  const Graph graph = deploy("googlenet");
  const auto learnable = std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                       [](const Node& n) { return !n.params.empty(); });
  EXPECT_EQ(learnable, 64);
  EXPECT_EQ(graph.outputs().size(), 3U);
}

struct NetCase {
  const char* json;
  const char* study;
  bool same_fillers;  // the study gives VGG16 none: it is only fine-tuned there
};

class NetAgainstStudy : public testing::TestWithParam<NetCase> {};

void expect_same_graph(const Graph& ours, const Graph& theirs, bool same_fillers) {
  ASSERT_EQ(ours.nodes.size(), theirs.nodes.size());
  for (std::size_t i = 0; i < ours.nodes.size(); ++i) {
    const Node &a = ours.nodes[i], &b = theirs.nodes[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(op_type_name(a.op), op_type_name(b.op)) << a.name;
    ASSERT_EQ(a.tops.size(), b.tops.size()) << a.name;
    for (std::size_t t = 0; t < a.tops.size(); ++t) {
      const TensorInfo& x = ours.tensors[static_cast<std::size_t>(a.tops[t])];
      const TensorInfo& y = theirs.tensors[static_cast<std::size_t>(b.tops[t])];
      EXPECT_EQ(x.blob, y.blob) << a.name;
      EXPECT_EQ(x.shape, y.shape) << a.name;
    }
    ASSERT_EQ(a.params.size(), b.params.size()) << a.name;
    for (std::size_t p = 0; p < a.params.size(); ++p) {
      EXPECT_EQ(a.params[p].shape, b.params[p].shape) << a.params[p].name;
      EXPECT_EQ(a.params[p].lr_mult, b.params[p].lr_mult) << a.params[p].name;
      EXPECT_EQ(a.params[p].decay_mult, b.params[p].decay_mult) << a.params[p].name;
      if (!same_fillers) continue;
      EXPECT_EQ(a.params[p].filler.type, b.params[p].filler.type) << a.params[p].name;
      EXPECT_EQ(a.params[p].filler.value, b.params[p].filler.value) << a.params[p].name;
      if (a.params[p].filler.type == FillerType::kGaussian) {
        EXPECT_EQ(a.params[p].filler.std, b.params[p].filler.std) << a.params[p].name;
      }
    }
  }
}

TEST_P(NetAgainstStudy, EveryLayerAgreesInEveryPhase) {
  const NetCase& c = GetParam();
  const fs::path folder = kStudy / c.study;
  if (!fs::exists(folder)) GTEST_SKIP() << "the study's files are not here";
  const fs::path train = folder / "train_val_test_fold_is_0.prototxt";
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    const NetOptions options{.phase = phase, .batch = 2};
    NetDefinition theirs = load_net(train, options);
    // Where the study's file has no loss at test time (VGG16), it has probabilities; ours keeps the
    // loss.
    if (phase == Phase::kTest && std::string(c.json) == "vgg16") continue;
    SCOPED_TRACE(phase == Phase::kTrain ? "train" : "test");
    expect_same_graph(build_graph(load_net(kNets / (std::string(c.json) + ".json"), options)),
                      build_graph(theirs), c.same_fillers);
  }
  // Deploy files carry no fillers, and in the older ones no multipliers: names, shapes and blobs
  // are what they say.
  const Graph ours = deploy(c.json),
              theirs = build_graph(load_net(folder / "deploy.prototxt", {.batch = 1}));
  ASSERT_EQ(ours.nodes.size(), theirs.nodes.size());
  for (std::size_t i = 0; i < ours.nodes.size(); ++i) {
    EXPECT_EQ(ours.nodes[i].name, theirs.nodes[i].name);
    EXPECT_EQ(ours.nodes[i].op.index(), theirs.nodes[i].op.index()) << ours.nodes[i].name;
    EXPECT_EQ(ours.tensors[static_cast<std::size_t>(ours.nodes[i].tops[0])].shape,
              theirs.tensors[static_cast<std::size_t>(theirs.nodes[i].tops[0])].shape)
        << ours.nodes[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, NetAgainstStudy,
                         testing::Values(NetCase{"adiencenet", "age_net_definitions", true},
                                         NetCase{"caffenet", "age_fromscratch_caffereference",
                                                 true},
                                         NetCase{"googlenet", "age_fromscratch_googlenet", true},
                                         NetCase{"vgg16", "age_finetuning_vgg16", false}),
                         [](const auto& test) { return std::string(test.param.json); });

TEST(CaffeNets, AllModelDefinitionsOfTheStudyAreRead) {
  if (!fs::exists(kStudy)) GTEST_SKIP() << "the study's files are not here";
  int models = 0;
  for (const auto& folder : fs::directory_iterator(kStudy)) {
    SCOPED_TRACE(folder.path().filename());
    ++models;
    EXPECT_NO_THROW((void)build_graph(load_net(folder.path() / "deploy.prototxt")));
    for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
      EXPECT_NO_THROW((void)build_graph(
          load_net(folder.path() / "train_val_test_fold_is_0.prototxt", {.phase = phase})));
    }
  }
  EXPECT_EQ(models, 38);
}

// Layer indices of the relevance options count inserted Split layers, as in the reference software.
TEST(CaffeNets, SplitsStandWhereTheReferenceSoftwarePutsThem) {
  const fs::path lrp = fs::path(FOVEA_ORACLE) / "lrp";
  if (!fs::exists(lrp)) GTEST_SKIP() << "the reference numbers are not here";
  int nets = 0;
  for (const auto& folder : fs::directory_iterator(lrp)) {
    if (!fs::exists(folder.path() / "net.json")) continue;
    SCOPED_TRACE(folder.path().filename());
    ++nets;
    const Graph graph = build_graph(load_net(folder.path() / "net.prototxt"));
    const Json expected = read_json_file(folder.path() / "net.json")["layers"];
    ASSERT_EQ(graph.nodes.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(graph.nodes[i].name, expected[i]["name"].get<std::string>());
      EXPECT_EQ(caffe_type_name(graph.nodes[i].op), expected[i]["type"].get<std::string>());
      for (std::size_t b = 0; b < graph.nodes[i].bottoms.size(); ++b) {
        EXPECT_EQ(graph.tensors[static_cast<std::size_t>(graph.nodes[i].bottoms[b])].blob,
                  expected[i]["bottoms"][b].get<std::string>());
      }
    }
  }
  EXPECT_EQ(nets, 6);
}

class NetMistakes : public testing::Test {
 protected:
  std::string load(const std::string& text, const std::string& extension = ".json") {
    const TemporaryFolder folder;
    const fs::path path = folder / ("net" + extension);
    write_file(path, text);
    std::string message = message_of([&] { (void)build_graph(load_net(path)); });
    const auto at = message.find(path.string());
    return at == std::string::npos ? message : message.replace(at, path.string().size(), "NET");
  }
  static std::string with_layer(const std::string& layer) {
    return R"({"name": "n", "input": {"shape": [3, 8, 8]}, "layers": [)" + layer + "]}";
  }
};

TEST_F(NetMistakes, AreOneClearLine) {
  EXPECT_EQ(load(with_layer(R"({"name": "c", "type": "convolutoin"})")),
            "unknown layer type in NET: layer c: 'convolutoin', did you mean 'convolution'?");
  EXPECT_EQ(load(with_layer(R"({"name": "c", "type": "convolution", "outputs": 4, "kernal": 3})")),
            "unknown key in NET: layer c: 'kernal', did you mean 'kernel'?");
  EXPECT_EQ(load(with_layer(R"({"name": "c", "type": "convolution", "outputs": 4, "kernel": 9})")),
            "layer c does not fit its input: output would be 1x4x0x0 from 1x3x8x8");
  // Sizes whose sums and products are beyond any integer.
  EXPECT_EQ(
      load(with_layer(R"({"name": "c", "type": "inner_product", "outputs": 4611686018427387904})")),
      "wrong outputs in layer c: 4611686018427387904, expected at least 1 and below 2^31");
  EXPECT_EQ(load(with_layer(
                R"({"name": "p", "type": "pooling", "kernel": 2, "pad": 9223372036854775807})")),
            "wrong pad in layer p: 9223372036854775807, expected at least 0 and below 2^31");
  EXPECT_EQ(
      load(R"({"name": "n", "input": {"shape": [3, 2147483647, 2147483647]}, "layers":
                     [{"name": "r", "type": "relu"}]})"),
      "too large in net: input data: 1x3x2147483647x2147483647, expected at most 2^36 values");
  EXPECT_EQ(load(with_layer(R"({"name": "r", "type": "relu", "bottom": "dada"})")),
            "unknown bottom in net n, layer r: 'dada', expected the output of an earlier layer, "
            "did you mean 'data'?");
  EXPECT_EQ(load(with_layer(R"({"name": "f", "type": "inner_product", "outputs": "$clases"})")),
            "unknown parameter in NET: layers: '$clases', expected one of \"parameters\"");
  EXPECT_EQ(load("{\n \"name\": \"n\",,\n}"),
            "syntax error in NET:2:14: this is not JSON from here on");
  EXPECT_EQ(load("input: \"data\" input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4\n"
                 "layer { name: \"a\" type: \"Foo\" bottom: \"data\" top: \"a\" }\n"
                 "layer { name: \"b\" type: \"Bar\" bottom: \"a\" top: \"b\" }\n",
                 ".prototxt"),
            "unknown layer types in NET: 'Foo' (a, line 2), 'Bar' (b, line 3)");
  EXPECT_EQ(load("layer {\n name \"a\"\n}", ".prototxt"),
            "syntax error in NET:2: '\"', expected ':' or '{'");
  EXPECT_EQ(load("layer { name: \"a\"", ".prototxt"),
            "syntax error in NET:1: the end of the file, expected '}'");
}

}  // namespace
}  // namespace fovea
