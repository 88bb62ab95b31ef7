#include "engine/graph/fusion.h"

#include "kernels/ops/siblings.h"

namespace fovea {
namespace {

const Node* reader_of(const Graph& graph, int tensor) {
  const int consumer = graph.tensors[static_cast<std::size_t>(tensor)].consumer;
  return consumer < 0 ? nullptr : &graph.nodes[static_cast<std::size_t>(consumer)];
}

bool same_relu(const Node* a, const Node* b) {
  if (!a || !b) return a == b;
  return std::get<ReluParams>(a->op) == std::get<ReluParams>(b->op);
}

}  // namespace

const Node* fusable_relu(const Graph& graph, const Node& node) {
  const bool linear = std::holds_alternative<ConvolutionParams>(node.op) ||
                      std::holds_alternative<InnerProductParams>(node.op);
  if (!linear) return nullptr;
  const Node* next = reader_of(graph, node.tops[0]);
  return next && std::holds_alternative<ReluParams>(next->op) ? next : nullptr;
}

std::vector<int> sibling_convolutions(const Graph& graph, int split) {
  std::vector<int> siblings;
  for (const int top : graph.nodes[static_cast<std::size_t>(split)].tops) {
    const Node* reader = reader_of(graph, top);
    const auto* params = reader ? std::get_if<ConvolutionParams>(&reader->op) : nullptr;
    if (!params || !is_sibling(*params)) continue;
    if (!siblings.empty()) {
      const Node& first = graph.nodes[static_cast<std::size_t>(siblings[0])];
      if (std::get<ConvolutionParams>(first.op).bias != params->bias ||
          !same_relu(fusable_relu(graph, first), fusable_relu(graph, *reader)))
        continue;
    }
    siblings.push_back(static_cast<int>(reader - graph.nodes.data()));
  }
  return siblings.size() > 1 ? siblings : std::vector<int>{};
}

}  // namespace fovea
