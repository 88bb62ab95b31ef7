#include "engine/io/onnx_export.h"

#include <cstring>
#include <set>

#include "engine/io/onnx_wire.h"

namespace fovea {
namespace {

using onnx::NodeWriter;

std::vector<std::int64_t> both(const Extent2& begin, const Extent2& end) {
  return {begin[0], begin[1], end[0], end[1]};
}
std::vector<std::int64_t> list(const Extent2& e) { return {e[0], e[1]}; }

// Nodes and small constants of a graph, in order.
class GraphWriter {
 public:
  explicit GraphWriter(const Graph& graph) : graph_(graph), root_(graph.tensors.size()) {
    for (std::size_t id = 0; id < root_.size(); ++id) root_[id] = static_cast<int>(id);
    for (const Node& node : graph.nodes) {
      const bool alias = std::holds_alternative<DropoutParams>(node.op) ||
                         std::holds_alternative<SplitParams>(node.op);
      for (const int top : node.tops) {
        if (alias) root_[at(top)] = root_[at(node.bottoms[0])];
      }
    }
    name_values();
  }

  void write() {
    for (const Node& node : graph_.nodes) {
      node_ = &node;
      std::visit([&](const auto& op) { operation(op); }, node.op);
    }
    for (const int output : graph_.outputs()) {
      const std::string& blob = graph_.tensors[at(output)].blob;
      if (name(output) != blob) add(NodeWriter("Identity", blob + "@out", {name(output)}, blob));
    }
  }

  [[nodiscard]] const std::vector<std::string>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<std::string>& constants() const { return constants_; }

 private:
  static std::size_t at(int id) { return static_cast<std::size_t>(id); }

  // A blob's name goes to the last of its tensors, which is what a reader of the net means by it.
  void name_values() {
    names_.resize(root_.size());
    for (std::size_t id = 0; id < root_.size(); ++id) {
      const TensorInfo& tensor = graph_.tensors[id];
      const bool last = root_[at(graph_.find_blob(tensor.blob))] == static_cast<int>(id);
      names_[id] =
          last ? tensor.blob
               : str(tensor.blob, '@',
                     tensor.producer < 0 ? "input" : graph_.nodes[at(tensor.producer)].name);
    }
    for (const int input : graph_.inputs) names_[at(input)] = graph_.tensors[at(input)].blob;
  }
  [[nodiscard]] const std::string& name(int id) const { return names_[at(root_[at(id)])]; }
  [[nodiscard]] std::string bottom(std::size_t i = 0) const { return name(node_->bottoms.at(i)); }
  [[nodiscard]] std::string top() const { return name(node_->tops.at(0)); }
  [[nodiscard]] std::string inner(const char* part) const { return str(node_->name, '@', part); }
  [[nodiscard]] const Shape& shape() const { return graph_.tensors[at(node_->bottoms[0])].shape; }

  void add(const NodeWriter& node) { nodes_.push_back(node.message()); }
  NodeWriter make(const char* type, const std::vector<std::string>& inputs) const {
    return {type, node_->name, inputs, top()};
  }

  std::string constant(const char* part, float value) {
    std::string raw(sizeof value, '\0');
    std::memcpy(raw.data(), &value, sizeof value);
    WireWriter tensor = onnx::tensor_head(inner(part), {}, onnx::kFloat);
    constants_.push_back(tensor.bytes(9, raw).message());
    return inner(part);
  }
  std::string constant(const char* part, const std::vector<std::int64_t>& values) {
    std::string raw(values.size() * sizeof(std::int64_t), '\0');
    std::memcpy(raw.data(), values.data(), raw.size());
    WireWriter tensor =
        onnx::tensor_head(inner(part), {static_cast<std::int64_t>(values.size())}, onnx::kInt64);
    constants_.push_back(tensor.bytes(9, raw).message());
    return inner(part);
  }

  // The bottom, the weights and, where there is one, the bias.
  [[nodiscard]] std::vector<std::string> with_parameters(const std::string& x) const {
    std::vector<std::string> inputs{x};
    for (const ParamInfo& param : node_->params) inputs.push_back(param.name);
    return inputs;
  }

  void operation(const ConvolutionParams& p) {
    add(make("Conv", with_parameters(bottom()))
            .with("kernel_shape", list(p.kernel))
            .with("strides", list(p.stride))
            .with("pads", both(p.pad, p.pad))
            .with("group", p.groups));
  }

  void operation(const InnerProductParams&) {
    std::string x = bottom();
    if (shape().rank() != 2) {
      add(NodeWriter("Flatten", inner("flatten"), {x}, inner("flat"))
              .with("axis", std::int64_t{1}));
      x = inner("flat");
    }
    add(make("Gemm", with_parameters(x)).with("transB", std::int64_t{1}));
  }

  void operation(const PoolingParams& params) {
    const bool max = params.mode == PoolingMode::kMax;
    if (params.global) return add(make(max ? "GlobalMaxPool" : "GlobalAveragePool", {bottom()}));
    const OnnxPooling pooling = onnx_pooling(params, shape());
    std::string x = bottom();
    if (pooling.pad_first) {
      const Extent2& p = params.pad;
      const std::string pads = constant("pads", {0, 0, p[0], p[1], 0, 0, p[0], p[1]});
      add(NodeWriter("Pad", inner("pad"), {x, pads}, inner("padded")));
      x = inner("padded");
    }
    NodeWriter node = make(max ? "MaxPool" : "AveragePool", {x});
    node.with("kernel_shape", list(params.kernel)).with("strides", list(params.stride));
    node.with("pads", both(pooling.begin, pooling.end));
    if (!max) node.with("count_include_pad", std::int64_t{pooling.count_include_pad});
    add(node);
  }

  void operation(const LrnParams& p) {
    if (p.region == LrnRegion::kWithinChannel) return within_channel(p);
    add(make("LRN", {bottom()})
            .with("size", p.size)
            .with("alpha", p.alpha)
            .with("beta", p.beta)
            .with("bias", p.k));
  }

  // y = x / (1 + alpha * avg(x^2))^beta, the average counting the padding (kernels/ops/lrn.h).
  void within_channel(const LrnParams& p) {
    const std::string x = bottom();
    const std::int64_t half = (p.size - 1) / 2;
    const auto step = [&](const char* type, const char* part, const std::vector<std::string>& in) {
      return NodeWriter(type, inner(str(type, "_", part).c_str()), in, inner(part));
    };
    add(step("Mul", "squares", {x, x}));
    add(step("AveragePool", "mean", {inner("squares")})
            .with("kernel_shape", {p.size, p.size})
            .with("strides", {1, 1})
            .with("pads", {half, half, half, half})
            .with("count_include_pad", std::int64_t{1}));
    add(step("Mul", "scaled", {inner("mean"), constant("alpha", p.alpha)}));
    add(step("Add", "sum", {inner("scaled"), constant("one", 1.0F)}));
    add(step("Pow", "norm", {inner("sum"), constant("beta", p.beta)}));
    add(make("Div", {x, inner("norm")}));
  }

  void operation(const ReluParams& p) {
    if (p.slope == 0) return add(make("Relu", {bottom()}));
    add(make("LeakyRelu", {bottom()}).with("alpha", p.slope));
  }
  void operation(const DropoutParams&) {}
  void operation(const SplitParams&) {}
  void operation(const ConcatParams& p) {
    require(p.axis > 0, "unsupported layer in an ONNX model: ", node_->name,
            ": concatenation of batches, expected of channels, rows or columns");
    std::vector<std::string> inputs;
    for (std::size_t i = 0; i < node_->bottoms.size(); ++i) inputs.push_back(bottom(i));
    add(make("Concat", inputs).with("axis", std::int64_t{p.axis}));
  }
  void operation(const SoftmaxParams&) {
    add(make("Softmax", {bottom()}).with("axis", std::int64_t{1}));
  }
  void operation(const SoftmaxLossParams&) { refuse(); }
  void operation(const AccuracyParams&) { refuse(); }
  [[noreturn]] void refuse() const {
    throw Error(str("unsupported layer in an ONNX model: ", node_->name, ": ",
                    op_type_name(node_->op), ", expected a net of the deploy phase"));
  }

  const Graph& graph_;
  const Node* node_ = nullptr;
  std::vector<int> root_;  // per tensor: the one whose value it is
  std::vector<std::string> names_, nodes_, constants_;
};

// GraphProto: node 1, name 2, initializer 5, input 11, output 12.
WirePieces graph_message(const Graph& graph, const NamedTensors& weights, std::int64_t batch) {
  GraphWriter writer(graph);
  writer.write();
  WireWriter head;
  for (const std::string& node : writer.nodes()) head.bytes(1, node);
  head.bytes(2, graph.name.empty() ? "net" : graph.name);
  for (const std::string& constant : writer.constants()) head.bytes(5, constant);
  WirePieces message;
  message.add(head);
  for (const auto& [name, tensor] : weights) {
    WirePieces content;
    content.add(onnx::tensor_head(name, {tensor.shape.begin(), tensor.shape.end()}, onnx::kFloat));
    content.floats(9, tensor.values);
    message.message(5, std::move(content));
  }
  const auto value = [&](unsigned field, int id) {
    const TensorInfo& tensor = graph.tensors[static_cast<std::size_t>(id)];
    message.add(
        WireWriter().bytes(field, onnx::value_info(tensor.blob, tensor.shape, batch).message()));
  };
  for (const int input : graph.inputs) value(11, input);
  for (const int output : graph.outputs()) value(12, output);
  return message;
}

}  // namespace

OnnxPooling onnx_pooling(const PoolingParams& params, const Shape& input) {
  const Shape output = output_shape(params, input);
  const Extent2 in{input.h(), input.w()}, out{output.h(), output.w()};
  OnnxPooling result{.begin = params.pad};
  bool any_pad = false, overhang = false;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t pad = params.pad[axis], start = (out[axis] - 1) * params.stride[axis] - pad;
    require(pad < params.kernel[axis] && start < in[axis],
            "unsupported pooling in an ONNX model: a window without a pixel, expected none");
    result.end[axis] = std::max<std::int64_t>(start + params.kernel[axis] - in[axis], 0);
    any_pad = any_pad || pad > 0;
    overhang = overhang || result.end[axis] > pad;
  }
  if (params.mode == PoolingMode::kMax) return result;  // padding is absent in both
  result.pad_first = any_pad && overhang;
  result.count_include_pad = any_pad && !overhang;
  if (result.pad_first) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
      result.begin[axis] = 0;
      result.end[axis] = std::max<std::int64_t>(result.end[axis] - params.pad[axis], 0);
    }
  }
  return result;
}

// ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8 (domain 1, version 2),
// metadata_props 14 (key 1, value 2).
void write_onnx(const std::filesystem::path& path, const Graph& graph, const NamedTensors& weights,
                const OnnxOptions& options, bool overwrite) {
  WirePieces model;
  model.add(WireWriter().varint(1, 7).bytes(2, "fovea"));
  model.message(7, graph_message(graph, weights, options.batch));
  model.add(WireWriter().bytes(8, WireWriter().bytes(1, "").varint(2, 13).message()));
  for (const auto& [key, value] : options.metadata)
    model.add(WireWriter().bytes(14, WireWriter().bytes(1, key).bytes(2, value).message()));
  model.write(path, overwrite);
}

}  // namespace fovea
