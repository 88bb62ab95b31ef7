#include "engine/relevance/places.h"

#include <algorithm>

namespace fovea {

bool is_linear(const OpParams& op) {
  return std::holds_alternative<ConvolutionParams>(op) ||
         std::holds_alternative<InnerProductParams>(op);
}

int last_inner_product(const Graph& graph) {
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (std::holds_alternative<InnerProductParams>(graph.nodes[i].op)) return static_cast<int>(i);
  }
  throw Error(str("no relevance for net ", graph.name,
                  ": it has no inner product layer to start from, expected --last LAYER"));
}

std::vector<bool> non_negative_tensors(const Graph& graph) {
  std::vector<bool> result(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    bool all = !node.bottoms.empty();
    for (const int bottom : node.bottoms) all = all && result[static_cast<std::size_t>(bottom)];
    const auto* relu = std::get_if<ReluParams>(&node.op);
    const bool value =
        relu ? relu->slope == 0 || all
             : std::holds_alternative<SoftmaxParams>(node.op) || (all && !is_linear(node.op));
    for (const int top : node.tops) result[static_cast<std::size_t>(top)] = value;
  }
  return result;
}

RelevantOutputs relevant_outputs(const Graph& graph, int tensor, bool winners) {
  const auto consumer_of = [&](int t) -> const Node* {
    const int consumer = graph.tensors[static_cast<std::size_t>(t)].consumer;
    return consumer < 0 ? nullptr : &graph.nodes[static_cast<std::size_t>(consumer)];
  };
  const Node* node = consumer_of(tensor);
  const auto* relu = node ? std::get_if<ReluParams>(&node->op) : nullptr;
  const bool active = relu && relu->slope == 0;
  if (active) node = consumer_of(node->tops[0]);
  const auto* pooling = node ? std::get_if<PoolingParams>(&node->op) : nullptr;
  if (pooling && winners && pooling->mode == PoolingMode::kMax && pooling->stride[0] > 1 &&
      pooling->stride[1] > 1)
    return RelevantOutputs::kWinners;
  return active ? RelevantOutputs::kActive : RelevantOutputs::kAll;
}

std::vector<int> linear_depths(const Graph& graph) {
  std::vector<int> depths;
  for (const Node& node : graph.nodes) {
    int depth = 0;
    for (const int bottom : node.bottoms) {
      const int producer = graph.tensors[static_cast<std::size_t>(bottom)].producer;
      if (producer >= 0) depth = std::max(depth, depths[static_cast<std::size_t>(producer)]);
    }
    depths.push_back(depth + (is_linear(node.op) ? 1 : 0));
  }
  return depths;
}

}  // namespace fovea
