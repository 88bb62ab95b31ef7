// Which layers of a graph may run as one operation.
#pragma once

#include <vector>

#include "engine/graph/graph.h"

namespace fovea {

// The ReLU that the implementation of `node` can apply while it writes its output, or null.
[[nodiscard]] const Node* fusable_relu(const Graph& graph, const Node& node);

// Siblings (kernels/ops/siblings.h) among the readers of the Split node `split`: nodes of 1x1
// convolutions that differ in nothing but outputs and fillers, each with the same ReLU behind it or
// none. Ascending; empty where there are not at least two.
[[nodiscard]] std::vector<int> sibling_convolutions(const Graph& graph, int split);

}  // namespace fovea
