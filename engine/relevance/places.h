// What a relevance walk has to know about a graph before it starts.
#pragma once

#include <vector>

#include "engine/graph/graph.h"
#include "engine/relevance/step.h"

namespace fovea {

[[nodiscard]] bool is_linear(const OpParams& op);

// Index of the last inner product: where walks start. Error when there is none.
[[nodiscard]] int last_inner_product(const Graph& graph);

// Per tensor, whether it cannot be negative: behind a ReLU, and what pooling, LRN and the like make
// of those.
[[nodiscard]] std::vector<bool> non_negative_tensors(const Graph& graph);

// What relevance can come back to at a tensor, when max poolings give it to their winners.
[[nodiscard]] RelevantOutputs relevant_outputs(const Graph& graph, int tensor, bool winners);

// Per node, the number of linear layers on the longest way from the net's input, itself among them.
[[nodiscard]] std::vector<int> linear_depths(const Graph& graph);

}  // namespace fovea
