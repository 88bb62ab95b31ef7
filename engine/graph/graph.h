// The graph of a net: tensors in single-assignment form, shapes known, fan-out made explicit.
//
// A blob that several layers read gets one Split node right behind its producer, as Caffe inserts
// it
// ("<blob>_<layer>_<i>_split" with tops "<blob>_<layer>_<i>_split_<j>"); layer indices count these
// nodes. In-place layers get a tensor of their own that carries the same blob name.
#pragma once

#include <string>
#include <vector>

#include "engine/graph/net_definition.h"

namespace fovea {

struct TensorInfo {
  std::string blob;
  Shape shape;
  int producer = -1;  // node index; -1 = net input
  int consumer = -1;  // node index; -1 = nobody (net output); fan-out goes through Split nodes
};

struct ParamInfo {
  std::string name;  // "<layer>.weight", "<layer>.bias"
  Shape shape;       // Caffe's blob shape
  Filler filler;
  float lr_mult = 1, decay_mult = 1;
};

struct Node {
  std::string name;
  OpParams op;
  std::vector<int> bottoms, tops;  // tensor ids
  std::vector<ParamInfo> params;
};

struct Graph {
  std::string name;
  std::vector<TensorInfo> tensors;
  std::vector<Node> nodes;  // in execution order
  std::vector<int> inputs;  // tensor ids

  // Tensor that finally carries `blob` (behind all in-place layers, in front of a Split); Error
  // with "did you mean".
  [[nodiscard]] int find_blob(const std::string& blob) const;
  // Node called `name`; Error with "did you mean".
  [[nodiscard]] int find_node(const std::string& name) const;
  // Tensors that nobody reads, in order.
  [[nodiscard]] std::vector<int> outputs() const;
};

// Shape inference and Split insertion. Error naming the layer when shapes do not fit.
[[nodiscard]] Graph build_graph(const NetDefinition& definition);

// `graph` without the nodes that tensor `target` does not depend on (main head only, no losses).
[[nodiscard]] Graph prune_to(const Graph& graph, const std::vector<int>& targets);

// "convolution", "inner_product", ... as in net JSON.
[[nodiscard]] std::string_view op_type_name(const OpParams& op);
// "Convolution", "InnerProduct", ... as in prototxt and in tables for Caffe users.
[[nodiscard]] std::string_view caffe_type_name(const OpParams& op);
// Multiply-accumulates of one forward pass over the whole batch (convolution and inner product; 0
// for the rest).
[[nodiscard]] std::int64_t multiply_accumulates(const Graph& graph, const Node& node);

}  // namespace fovea
