// ONNX models: their structure read back from the bytes, pooling against Caffe's windows, and whole
// nets in onnxruntime where it is at hand.
#include "engine/io/onnx_export.h"
#include "engine/core/json_fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "engine/core/npy.h"
#include "engine/graph/net_json.h"
#include "engine/io/wire.h"
#include "engine/train/filler.h"
#include "tests/data/sample_store.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// A message's fields by number, in order: bytes as they are, varints as decimal text.
using Fields = std::multimap<unsigned, std::string>;
Fields fields_of(const std::string& bytes) {
  static const std::string kFile = "model";
  Fields result;
  for (WireReader reader(bytes, kFile); !reader.done();) {
    const std::uint64_t tag = reader.varint();
    const auto field = static_cast<unsigned>(tag >> 3);
    if ((tag & 7) == kVarint) {
      result.emplace(field, str(static_cast<std::int64_t>(reader.varint())));
    } else if ((tag & 7) == kFixed32) {
      result.emplace(field, reader.take(4));
    } else {
      result.emplace(field, reader.bytes());
    }
  }
  return result;
}
std::vector<std::string> all(const Fields& fields, unsigned number) {
  std::vector<std::string> result;
  const auto [begin, end] = fields.equal_range(number);
  for (auto at = begin; at != end; ++at) result.push_back(at->second);
  return result;
}
std::string one(const Fields& fields, unsigned number) {
  const auto values = all(fields, number);
  EXPECT_EQ(values.size(), 1U) << "field " << number;
  return values.empty() ? "" : values[0];
}

struct OnnxNode {
  std::string type;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::vector<std::string>> ints;  // INT and INTS attributes
};
struct OnnxModel {
  std::vector<OnnxNode> nodes;
  std::map<std::string, Fields> tensors;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> first_dims;  // of inputs, then outputs: "N", or a number
  std::map<std::string, std::string> metadata;

  [[nodiscard]] const OnnxNode& maker(const std::string& value) const {
    for (const OnnxNode& node : nodes) {
      if (node.outputs[0] == value) return node;
    }
    throw Error("nobody makes " + value);
  }
};

OnnxNode node_of(const std::string& bytes) {
  const Fields fields = fields_of(bytes);
  OnnxNode node{.type = one(fields, 4), .inputs = all(fields, 1), .outputs = all(fields, 2)};
  for (const std::string& attribute : all(fields, 5)) {
    const Fields a = fields_of(attribute);
    if (one(a, 20) == "2") node.ints[one(a, 1)] = all(a, 3);
    if (one(a, 20) == "7") node.ints[one(a, 1)] = all(a, 8);
  }
  return node;
}

OnnxModel read_model(const fs::path& path) {
  const Fields model = fields_of(read_file(path)), graph = fields_of(one(model, 7));
  EXPECT_EQ(one(model, 1), "7");
  EXPECT_EQ(one(fields_of(one(model, 8)), 2), "13");
  OnnxModel result;
  for (const std::string& node : all(graph, 1)) result.nodes.push_back(node_of(node));
  for (const std::string& tensor : all(graph, 5)) {
    const Fields fields = fields_of(tensor);
    EXPECT_TRUE(result.tensors.emplace(one(fields, 8), fields).second);
  }
  for (const unsigned field : {11U, 12U}) {
    for (const std::string& value : all(graph, field)) {
      const Fields info = fields_of(value);
      (field == 11 ? result.inputs : result.outputs).push_back(one(info, 1));
      const Fields tensor = fields_of(one(fields_of(one(info, 2)), 1));
      EXPECT_EQ(one(tensor, 1), "1");
      const Fields dim = fields_of(all(fields_of(one(tensor, 2)), 1).at(0));
      result.first_dims.push_back(dim.begin()->second);
    }
  }
  for (const std::string& entry : all(model, 14))
    result.metadata[one(fields_of(entry), 1)] = one(fields_of(entry), 2);
  return result;
}

// Every name is made once, before it is used; outputs are made.
void expect_well_formed(const OnnxModel& model) {
  std::set<std::string> known(model.inputs.begin(), model.inputs.end());
  for (const auto& [name, tensor] : model.tensors) EXPECT_TRUE(known.insert(name).second) << name;
  for (const OnnxNode& node : model.nodes) {
    for (const std::string& input : node.inputs) EXPECT_TRUE(known.contains(input)) << input;
    for (const std::string& out : node.outputs) EXPECT_TRUE(known.insert(out).second) << out;
  }
  for (const std::string& output : model.outputs) EXPECT_TRUE(known.contains(output)) << output;
}

// A net with every operation and the pooling cases that ONNX says differently.
constexpr const char* kNet = R"({
  "name": "Every operation",
  "input": {"name": "data", "shape": [4, 19, 16]},
  "layers": [
    {"name": "conv1", "type": "convolution", "outputs": 6, "kernel": [3, 2], "stride": [1, 2], "pad": [1, 0], "groups": 2, "weight_filler": {"type": "xavier"}, "bias_filler": {"type": "constant", "value": 0.1}},
    {"name": "relu1", "type": "relu", "slope": 0.2},
    {"name": "norm1", "type": "lrn", "size": 3, "alpha": 0.5, "beta": 0.75, "k": 2},
    {"name": "max", "type": "pooling", "kernel": 3, "stride": 2},
    {"name": "conv2", "type": "convolution", "outputs": 5, "kernel": 3, "bias": false, "pad": 1, "weight_filler": {"type": "xavier"}},
    {"name": "relu2", "type": "relu"},
    {"name": "norm2", "type": "lrn", "size": 3, "alpha": 0.5, "region": "within_channel"},
    {"name": "overhang", "type": "pooling", "mode": "average", "kernel": 3, "stride": 2, "pad": 1, "bottom": "conv1"},
    {"name": "inside", "type": "pooling", "mode": "average", "kernel": 3, "stride": 1, "pad": 1, "bottom": "conv2"},
    {"name": "clipped", "type": "pooling", "mode": "average", "kernel": 2, "stride": 2, "bottom": "norm2"},
    {"name": "both", "type": "concat", "bottom": ["inside", "norm2"]},
    {"name": "one", "type": "pooling", "mode": "average", "global": true, "bottom": "both"},
    {"name": "fc1", "type": "inner_product", "outputs": 7, "bottom": "overhang", "weight_filler": {"type": "xavier"}},
    {"name": "drop1", "type": "dropout"},
    {"name": "fc2", "type": "inner_product", "outputs": 3, "bias": false, "bottom": "one", "weight_filler": {"type": "xavier"}},
    {"name": "fc3", "type": "inner_product", "outputs": 3, "bottom": "clipped", "weight_filler": {"type": "xavier"}},
    {"name": "scores", "type": "concat", "bottom": ["fc1", "fc2", "fc3"]},
    {"name": "prob", "type": "softmax"}
  ]
})";

// A filled net and its model in a folder.
class Exported {
 public:
  explicit Exported(const NetDefinition& net, std::int64_t batch = 0)
      : executor(build_graph(net), {.device = "cpu"}) {
    fill_params(executor, 5);
    WeightFile file;
    append_weights(executor, file);
    write_onnx(folder / "m.onnx", executor.graph(), take_weights(executor.graph(), file, "w"),
               {.batch = batch, .metadata = {{"classes", "[]"}}}, false);
    model = read_model(folder / "m.onnx");
  }
  TemporaryFolder folder;
  Executor executor;
  OnnxModel model;
};

NetDefinition every_operation() { return json_net(Json::parse(kNet), {.batch = 2}, "net"); }

TEST(OnnxExport, EveryOperationIsThere) {
  const Exported exported(every_operation());
  const OnnxModel& model = exported.model;
  expect_well_formed(model);
  EXPECT_EQ(model.inputs, std::vector<std::string>{"data"});
  EXPECT_EQ(model.outputs, std::vector<std::string>{"prob"});
  EXPECT_EQ(model.first_dims, (std::vector<std::string>{"N", "N"}));
  EXPECT_EQ(model.metadata.at("classes"), "[]");

  const OnnxNode& conv = model.maker("conv1@conv1");
  EXPECT_EQ(conv.type, "Conv");
  EXPECT_EQ(conv.inputs, (std::vector<std::string>{"data", "conv1.weight", "conv1.bias"}));
  EXPECT_EQ(conv.ints.at("group"), std::vector<std::string>{"2"});
  EXPECT_EQ(conv.ints.at("kernel_shape"), (std::vector<std::string>{"3", "2"}));
  EXPECT_EQ(conv.ints.at("strides"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(conv.ints.at("pads"), (std::vector<std::string>{"1", "0", "1", "0"}));
  EXPECT_EQ(model.maker("conv1").type, "LeakyRelu");
  EXPECT_EQ(model.maker("norm1").type, "LRN");
  EXPECT_EQ(model.maker("norm2").type, "Div");
  EXPECT_EQ(model.maker("both").inputs, (std::vector<std::string>{"inside", "norm2"}));
  EXPECT_EQ(model.maker("one").type, "GlobalAveragePool");
  // Dropout is gone: fc1 itself is what the concatenation reads.
  EXPECT_EQ(model.maker("fc1").type, "Gemm");
  EXPECT_EQ(model.maker("scores").inputs, (std::vector<std::string>{"fc1", "fc2", "fc3"}));
  const Fields& weight = model.tensors.at("conv1.weight");
  EXPECT_EQ(all(weight, 1), (std::vector<std::string>{"6", "2", "3", "2"}));
  const std::vector<float> values = exported.executor.param(0);
  EXPECT_EQ(one(weight, 9), std::string(reinterpret_cast<const char*>(values.data()),
                                        values.size() * sizeof(float)));
}

TEST(OnnxExport, ABatchIsWrittenWhereItIsAskedFor) {
  EXPECT_EQ(Exported(every_operation(), 6).model.first_dims, (std::vector<std::string>{"6", "6"}));
}

TEST(OnnxExport, PoolingSaysWhetherPaddingCounts) {
  const OnnxModel model = Exported(every_operation()).model;
  EXPECT_EQ(model.maker("overhang").inputs[0], "overhang@padded");
  EXPECT_EQ(model.maker("overhang@padded").type, "Pad");
  EXPECT_EQ(model.maker("overhang").ints.at("count_include_pad").at(0), "0");
  EXPECT_EQ(model.maker("inside").ints.at("count_include_pad").at(0), "1");
  EXPECT_EQ(model.maker("clipped").ints.at("count_include_pad").at(0), "0");
}

// ONNX's definition of windows and divisors, against Caffe's, one axis at a time (the other is one
// pixel under a window of one).
TEST(OnnxExport, PoolingIsCaffesForAllSmallWindows) {
  int cases = 0, padded = 0;
  for (std::int64_t input = 1; input <= 13; ++input) {
    for (std::int64_t kernel = 1; kernel <= 5; ++kernel) {
      for (std::int64_t stride = 1; stride <= kernel; ++stride) {
        for (std::int64_t pad = 0; pad < kernel && input + 2 * pad >= kernel; ++pad) {
          const PoolingParams p{.mode = PoolingMode::kAverage,
                                .kernel = {kernel, 1},
                                .stride = {stride, 1},
                                .pad = {pad, 0}};
          const Shape x{1, 1, input, 1};
          SCOPED_TRACE(str(input, " kernel ", kernel, " stride ", stride, " pad ", pad));
          const OnnxPooling pooling = onnx_pooling(p, x);
          const std::int64_t image_pad = pooling.pad_first ? pad : 0, size = input + 2 * image_pad,
                             span = size + pooling.begin[0] + pooling.end[0] - kernel,
                             outputs = span / stride + 1;
          ASSERT_EQ(outputs, output_shape(p, x).h());
          ASSERT_LT(pooling.end[0], kernel);
          for (std::int64_t q = 0; q < outputs; ++q) {
            const std::int64_t start = q * stride - pooling.begin[0],
                               first = std::max<std::int64_t>(start, 0),
                               last = std::min(start + kernel, size);
            const WindowRange window = clipped_window(q, kernel, stride, pad, input);
            ASSERT_EQ(std::max(first - image_pad, std::int64_t{0}), window.begin);
            ASSERT_EQ(std::min(last - image_pad, input), window.end);
            ASSERT_EQ(pooling.count_include_pad ? kernel : last - first,
                      padded_window_length(q, kernel, stride, pad, input));
          }
          ++cases, padded += pooling.pad_first;
        }
      }
    }
  }
  EXPECT_GT(cases, 300);
  EXPECT_GT(padded, 50);
}

TEST(OnnxExport, OurNetsAreWellFormed) {
  for (const char* name : {"adiencenet", "googlenet"}) {
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    const Graph graph = build_graph(
        load_net(fs::path(FOVEA_SOURCE_DIR) / "nets" / str(name, ".json"), {.batch = 1}));
    NamedTensors zeros;
    for (const Node& node : graph.nodes) {
      for (const ParamInfo& param : node.params)
        zeros.emplace_back(param.name, Tensor<float>(param.shape));
    }
    write_onnx(folder / "m.onnx", graph, zeros, {}, false);
    const OnnxModel model = read_model(folder / "m.onnx");
    expect_well_formed(model);
    EXPECT_EQ(model.outputs.size(), graph.outputs().size());
  }
}

TEST(OnnxExport, RefusesWhatADeployedNetHasNot) {
  const TemporaryFolder folder;
  const fs::path file = fs::path(FOVEA_SOURCE_DIR) / "nets/adiencenet.json";
  const Graph train = build_graph(load_net(file, {.phase = Phase::kTrain, .batch = 1}));
  EXPECT_EQ(message_of([&] { write_onnx(folder / "m.onnx", train, {}, {}, false); }),
            "unsupported layer in an ONNX model: loss: softmax_loss, expected a net of the deploy "
            "phase");
  EXPECT_FALSE(fs::exists(folder / "m.onnx"));
}

void expect_same_in_onnxruntime(const NetDefinition& net, float scale) {
  const std::string python = std::string(FOVEA_SOURCE_DIR) + "/.venv/bin/python";
  Exported exported(net);
  const TemporaryFolder& folder = exported.folder;
  const TensorView<float> input = exported.executor.input("data");
  Tensor<float> x = random_tensor<float>(input.shape, 9);
  for (float& value : x.values) value *= scale;
  std::ranges::copy(x.values, input.data);
  exported.executor.forward();
  write_npy(folder / "x.npy", x.view(), false);
  write_file(folder / "run.py", R"(
import sys
import numpy
import onnxruntime
folder = sys.argv[1] + "/"
session = onnxruntime.InferenceSession(folder + "m.onnx", providers=["CPUExecutionProvider"])
x = numpy.load(folder + "x.npy")
for i, y in enumerate(session.run(None, {session.get_inputs()[0].name: x})):
    numpy.save(folder + "y%d.npy" % i, y)
)");
  ASSERT_EQ(std::system((python + " " + (folder / "run.py").string() + " " +
                         folder.path().string() + " 2>" + (folder / "err").string())
                            .c_str()),
            0)
      << read_file(folder / "err");
  const std::vector<int> outputs = exported.executor.graph().outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor<float> theirs = read_npy(folder / str("y", i, ".npy")),
                        ours = exported.executor.tensor(outputs[i]);
    ASSERT_EQ(theirs.shape, ours.shape);
    for (std::size_t k = 0; k < ours.values.size(); ++k)
      ASSERT_NEAR(theirs.values[k], ours.values[k], 2e-6) << i << ", " << k;
  }
}

bool has_onnxruntime() {
  const std::string python = std::string(FOVEA_SOURCE_DIR) + "/.venv/bin/python";
  return std::system((python + " -c 'import onnxruntime' >/dev/null 2>&1").c_str()) == 0;
}

TEST(OnnxExport, OnnxruntimeGivesTheSameNumbers) {
  if (!has_onnxruntime()) GTEST_SKIP() << "no onnxruntime in .venv (scripts/peers makes it)";
  expect_same_in_onnxruntime(every_operation(), 1);
  for (const char* name : {"adiencenet", "googlenet"}) {
    SCOPED_TRACE(name);
    expect_same_in_onnxruntime(
        load_net(fs::path(FOVEA_SOURCE_DIR) / "nets" / str(name, ".json"), {.batch = 2}), 100);
  }
}

}  // namespace
}  // namespace fovea
