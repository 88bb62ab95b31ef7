#include "engine/graph/graph.h"

#include <algorithm>
#include <map>

#include "engine/core/fields.h"

namespace fovea {
namespace {

struct TypeNames {
  std::string_view json, caffe;
};

// In the order of OpParams' alternatives.
constexpr TypeNames kTypeNames[] = {
    {"convolution", "Convolution"},
    {"inner_product", "InnerProduct"},
    {"pooling", "Pooling"},
    {"lrn", "LRN"},
    {"relu", "ReLU"},
    {"dropout", "Dropout"},
    {"concat", "Concat"},
    {"split", "Split"},
    {"softmax", "Softmax"},
    {"softmax_loss", "SoftmaxWithLoss"},
    {"accuracy", "Accuracy"},
};
static_assert(std::size(kTypeNames) == std::variant_size_v<OpParams>);

// Inserts a Split behind every blob version that more than one layer reads; what insert_splits.cpp
// of Caffe does.
class SplitInserter {
 public:
  explicit SplitInserter(const NetDefinition& net) : net_(net) {}

  std::vector<LayerDefinition> run() && {
    count_readers();
    for (std::size_t i = 0; i < net_.inputs.size(); ++i) {
      current_[net_.inputs[i].name] = {
          .producer = "input", .slot = static_cast<int>(i), .version = versions_++};
      split(net_.inputs[i].name);
    }
    for (const LayerDefinition& layer : net_.layers) {
      LayerDefinition copy = layer;
      for (std::string& bottom : copy.bottoms) {
        Blob& blob = current_[bottom];
        if (readers_[static_cast<std::size_t>(blob.version)] > 1)
          bottom = str(split_name(bottom, blob), "_", blob.taken++);
      }
      result_.push_back(std::move(copy));
      for (std::size_t t = 0; t < layer.tops.size(); ++t) {
        current_[layer.tops[t]] = {
            .producer = layer.name, .slot = static_cast<int>(t), .version = versions_++};
        split(layer.tops[t]);
      }
    }
    return std::move(result_);
  }

 private:
  struct Blob {
    std::string producer;
    int slot = 0, version = 0;
    int taken = 0;  // tops of its Split handed out so far
  };

  // Readers of every blob version, versions numbered in order of production.
  void count_readers() {
    std::map<std::string, int> version;
    const auto produce = [&](const std::string& blob) {
      version[blob] = static_cast<int>(readers_.size());
      readers_.push_back(0);
    };
    for (const InputDefinition& input : net_.inputs) produce(input.name);
    for (const LayerDefinition& layer : net_.layers) {
      for (const std::string& bottom : layer.bottoms) {
        const auto found = version.find(bottom);
        if (found == version.end()) unknown_bottom(layer, bottom, version);
        ++readers_[static_cast<std::size_t>(found->second)];
      }
      for (const std::string& top : layer.tops) produce(top);
    }
  }

  [[noreturn]] void unknown_bottom(const LayerDefinition& layer, const std::string& bottom,
                                   const std::map<std::string, int>& known) const {
    std::vector<std::string> names;
    for (const auto& [name, unused] : known) names.push_back(name);
    throw Error(str("unknown bottom in net ", net_.name, ", layer ", layer.name, ": '", bottom,
                    "', expected the output of an earlier layer", did_you_mean(bottom, names)));
  }

  static std::string split_name(const std::string& blob, const Blob& origin) {
    return str(blob, "_", origin.producer, "_", origin.slot, "_split");
  }

  void split(const std::string& blob) {
    const Blob& origin = current_[blob];
    const int readers = readers_[static_cast<std::size_t>(origin.version)];
    if (readers <= 1) return;
    LayerDefinition layer{.name = split_name(blob, origin),
                          .op = SplitParams{},
                          .bottoms = {blob},
                          .tops = {},
                          .params = {}};
    for (int i = 0; i < readers; ++i) layer.tops.push_back(str(layer.name, "_", i));
    result_.push_back(std::move(layer));
  }

  const NetDefinition& net_;
  std::vector<int> readers_;
  std::map<std::string, Blob> current_;
  int versions_ = 0;
  std::vector<LayerDefinition> result_;
};

// Shapes of tops and learnable blobs, one overload per kind of layer.
struct Inference {
  std::vector<Shape> tops;
  std::vector<std::pair<Shape, Filler>> params;
};

void expect_positive(const Shape& shape, const std::string& layer, const Shape& bottom) {
  for (const std::int64_t extent : shape) {
    require(extent > 0, "layer ", layer, " does not fit its input: output would be ", shape,
            " from ", bottom);
  }
}

// Beyond these a net is a mistake, and its sizes would not fit the integers that they are computed
// in: 2^36 floats are 256 GB.
constexpr std::int64_t kMostValues = std::int64_t{1} << 36,
                       kMostExtent = (std::int64_t{1} << 31) - 1;

void expect_moderate(const Shape& shape, const std::string& layer) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    require(extent <= kMostExtent && (extent <= 0 || count <= kMostValues / extent),
            "too large in net: ", layer, ": ", shape, ", expected at most 2^36 values");
    count *= std::max<std::int64_t>(extent, 1);
  }
}

// What a layer's sizes are computed from.
void expect_moderate(const OpParams& op, const std::string& layer) {
  const auto check = [&](const char* what, std::int64_t value, std::int64_t least) {
    require(value >= least && value <= kMostExtent, "wrong ", what, " in layer ", layer, ": ",
            value, ", expected at least ", least, " and below 2^31");
  };
  const auto window = [&](const auto& p) {
    for (const int axis : {0, 1}) {
      check("kernel", p.kernel[axis], 1), check("stride", p.stride[axis], 1);
      check("pad", p.pad[axis], 0);
    }
  };
  if (const auto* conv = std::get_if<ConvolutionParams>(&op)) {
    check("outputs", conv->outputs, 1), check("groups", conv->groups, 1), window(*conv);
  } else if (const auto* product = std::get_if<InnerProductParams>(&op)) {
    check("outputs", product->outputs, 1);
  } else if (const auto* pool = std::get_if<PoolingParams>(&op); pool && !pool->global) {
    window(*pool);
  }
}

template <class Linear>
Inference infer_linear(const Linear& p, const Shape& x) {
  Inference result{.tops = {output_shape(p, x)}, .params = {{weight_shape(p, x), p.weight_filler}}};
  if (p.bias) result.params.push_back({Shape{p.outputs}, p.bias_filler});
  return result;
}

Inference infer_concat(const ConcatParams& p, const std::vector<Shape>& bottoms,
                       const std::string& layer) {
  Shape sum = bottoms[0];
  require(p.axis >= 0 && p.axis < sum.rank(), "wrong axis in layer ", layer, ": ", p.axis,
          ", expected below ", sum.rank());
  for (std::size_t i = 1; i < bottoms.size(); ++i) {
    Shape expected = bottoms[0];
    expected[p.axis] = bottoms[i].axis_or_one(p.axis);
    require(bottoms[i] == expected, "layer ", layer, " cannot concatenate ", bottoms[0], " and ",
            bottoms[i], " along axis ", p.axis);
    sum[p.axis] += bottoms[i][p.axis];
  }
  return {.tops = {sum}, .params = {}};
}

void check_targets(const SoftmaxLossParams& p, std::int64_t classes, const std::string& layer) {
  const bool weighted = !p.class_weights.empty();
  require(!weighted || std::ssize(p.class_weights) == classes, "wrong class_weights in layer ",
          layer, ": ", p.class_weights.size(), " weights, expected one for each of ", classes,
          " classes");
  require(std::ranges::all_of(p.class_weights, [](float w) { return w >= 0; }),
          "wrong class_weights in layer ", layer, ", expected 0 or more each");
  require(p.label_smoothing >= 0 && p.label_smoothing < 1, "wrong label_smoothing in layer ", layer,
          ": ", p.label_smoothing, ", expected 0 or more, below 1");
  require(p.ordinal_sigma >= 0, "wrong ordinal_sigma in layer ", layer, ": ", p.ordinal_sigma,
          ", expected 0 (off) or more");
}

Inference infer(const LayerDefinition& layer, const std::vector<Shape>& bottoms) {
  require(!bottoms.empty(), "layer ", layer.name, " has no bottom, expected one or more");
  const Shape& x = bottoms[0];
  if (const auto* p = std::get_if<ConvolutionParams>(&layer.op)) {
    require(x.rank() == 4, "layer ", layer.name, " needs an input of four axes, found ", x);
    require(p->groups > 0 && x.c() % p->groups == 0 && p->outputs % p->groups == 0,
            "wrong groups in layer ", layer.name, ": ", p->groups, ", expected a divisor of ",
            x.c(), " inputs and ", p->outputs, " outputs");
    return infer_linear(*p, x);
  }
  if (const auto* p = std::get_if<InnerProductParams>(&layer.op)) return infer_linear(*p, x);
  if (const auto* p = std::get_if<PoolingParams>(&layer.op))
    return {.tops = {output_shape(*p, x)}, .params = {}};
  if (const auto* p = std::get_if<ConcatParams>(&layer.op))
    return infer_concat(*p, bottoms, layer.name);
  if (std::holds_alternative<SplitParams>(layer.op))
    return {.tops = std::vector<Shape>(layer.tops.size(), x), .params = {}};
  if (const auto* p = std::get_if<SoftmaxLossParams>(&layer.op)) {
    check_targets(*p, x.c(), layer.name);
    Inference result{.tops = {Shape{}}, .params = {}};
    if (layer.tops.size() > 1) result.tops.push_back(x);
    return result;
  }
  if (std::holds_alternative<AccuracyParams>(layer.op)) {
    Inference result{.tops = {Shape{}}, .params = {}};
    if (layer.tops.size() > 1) result.tops.push_back(Shape{x.c()});
    return result;
  }
  return {.tops = {x}, .params = {}};
}

std::vector<ParamInfo> param_infos(const LayerDefinition& layer, const Inference& inference) {
  std::vector<ParamInfo> infos;
  for (std::size_t i = 0; i < inference.params.size(); ++i) {
    const ParamMultipliers multipliers =
        i < layer.params.size() ? layer.params[i] : ParamMultipliers{};
    infos.push_back({.name = layer.name + (i == 0 ? ".weight" : ".bias"),
                     .shape = inference.params[i].first,
                     .filler = inference.params[i].second,
                     .lr_mult = multipliers.lr_mult,
                     .decay_mult = multipliers.decay_mult});
  }
  return infos;
}

void add_node(Graph& graph, const LayerDefinition& layer, std::map<std::string, int>& current) {
  const int index = static_cast<int>(graph.nodes.size());
  Node node{.name = layer.name, .op = layer.op, .bottoms = {}, .tops = {}, .params = {}};
  std::vector<Shape> shapes;
  for (const std::string& bottom : layer.bottoms) {
    const int id = current.at(bottom);
    node.bottoms.push_back(id);
    graph.tensors[static_cast<std::size_t>(id)].consumer = index;
    shapes.push_back(graph.tensors[static_cast<std::size_t>(id)].shape);
  }
  expect_moderate(layer.op, layer.name);
  const Inference inference = infer(layer, shapes);
  for (const Shape& top : inference.tops) expect_moderate(top, layer.name);
  for (const auto& [shape, filler] : inference.params) expect_moderate(shape, layer.name);
  require(inference.tops.size() == layer.tops.size(), "wrong number of tops in layer ", layer.name,
          ": ", layer.tops.size(), ", expected ", inference.tops.size());
  for (std::size_t t = 0; t < layer.tops.size(); ++t) {
    expect_positive(inference.tops[t], layer.name, shapes[0]);
    current[layer.tops[t]] = static_cast<int>(graph.tensors.size());
    node.tops.push_back(static_cast<int>(graph.tensors.size()));
    graph.tensors.push_back({.blob = layer.tops[t], .shape = inference.tops[t], .producer = index});
  }
  node.params = param_infos(layer, inference);
  graph.nodes.push_back(std::move(node));
}

}  // namespace

std::string_view op_type_name(const OpParams& op) { return kTypeNames[op.index()].json; }
std::string_view caffe_type_name(const OpParams& op) { return kTypeNames[op.index()].caffe; }

Graph build_graph(const NetDefinition& definition) {
  Graph graph{.name = definition.name, .tensors = {}, .nodes = {}, .inputs = {}};
  std::map<std::string, int> current;
  for (const InputDefinition& input : definition.inputs) {
    expect_positive(input.shape, "input " + input.name, input.shape);
    expect_moderate(input.shape, "input " + input.name);
    current[input.name] = static_cast<int>(graph.tensors.size());
    graph.inputs.push_back(current[input.name]);
    graph.tensors.push_back({.blob = input.name, .shape = input.shape});
  }
  for (const LayerDefinition& layer : SplitInserter(definition).run())
    add_node(graph, layer, current);
  return graph;
}

int Graph::find_blob(const std::string& blob) const {
  std::vector<std::string> names;
  for (std::size_t id = tensors.size(); id-- > 0;) {
    if (tensors[id].blob == blob) return static_cast<int>(id);
    names.push_back(tensors[id].blob);
  }
  throw Error(str("unknown blob in net ", name, ": '", blob, "'", did_you_mean(blob, names)));
}

int Graph::find_node(const std::string& node_name) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].name == node_name) return static_cast<int>(i);
    names.push_back(nodes[i].name);
  }
  throw Error(
      str("unknown layer in net ", name, ": '", node_name, "'", did_you_mean(node_name, names)));
}

std::vector<int> Graph::outputs() const {
  std::vector<int> ids;
  for (std::size_t id = 0; id < tensors.size(); ++id) {
    if (tensors[id].consumer < 0) ids.push_back(static_cast<int>(id));
  }
  return ids;
}

Graph prune_to(const Graph& graph, const std::vector<int>& targets) {
  std::vector<bool> wanted(graph.tensors.size());
  for (const int target : targets) wanted[static_cast<std::size_t>(target)] = true;
  std::vector<bool> kept_node(graph.nodes.size());
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    kept_node[i] = std::ranges::any_of(
        node.tops, [&](int top) { return wanted[static_cast<std::size_t>(top)]; });
    if (!kept_node[i]) continue;
    for (const int bottom : node.bottoms) wanted[static_cast<std::size_t>(bottom)] = true;
  }
  Graph pruned{.name = graph.name, .tensors = {}, .nodes = {}, .inputs = {}};
  std::vector<int> id_of(graph.tensors.size(), -1);
  for (std::size_t id = 0; id < graph.tensors.size(); ++id) {
    if (!wanted[id]) continue;  // also drops tops of kept splits that nobody needs
    id_of[id] = static_cast<int>(pruned.tensors.size());
    pruned.tensors.push_back({.blob = graph.tensors[id].blob, .shape = graph.tensors[id].shape});
  }
  const auto renumber = [&](const std::vector<int>& ids) {
    std::vector<int> result;
    for (const int id : ids) {
      if (id_of[static_cast<std::size_t>(id)] >= 0)
        result.push_back(id_of[static_cast<std::size_t>(id)]);
    }
    return result;
  };
  pruned.inputs = renumber(graph.inputs);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!kept_node[i]) continue;
    Node node = graph.nodes[i];
    node.bottoms = renumber(node.bottoms);
    node.tops = renumber(node.tops);
    const int index = static_cast<int>(pruned.nodes.size());
    for (const int id : node.bottoms) pruned.tensors[static_cast<std::size_t>(id)].consumer = index;
    for (const int id : node.tops) pruned.tensors[static_cast<std::size_t>(id)].producer = index;
    pruned.nodes.push_back(std::move(node));
  }
  return pruned;
}

std::int64_t multiply_accumulates(const Graph& graph, const Node& node) {
  if (node.params.empty()) return 0;
  const Shape& top = graph.tensors[static_cast<std::size_t>(node.tops[0])].shape;
  return top.count() * node.params[0].shape.count_from(1);
}

}  // namespace fovea
