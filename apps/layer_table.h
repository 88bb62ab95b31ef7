// What tables of a net's layers say of each.
#pragma once

#include <string>
#include <vector>

#include "engine/core/json.h"
#include "engine/graph/graph.h"

namespace fovea::apps {

struct LayerRow {
  int node = 0;  // index in Graph::nodes
  std::string name, type;
  Shape output;
  std::int64_t parameters = 0, macs = 0;
  std::int64_t activation_bytes = 0;  // 0 where the output takes the input's place
};

// Rows in order, without the inserted Split layers.
[[nodiscard]] std::vector<LayerRow> layer_rows(const Graph& graph);

// name, type, output, parameters, macs, activation_bytes.
[[nodiscard]] Json layer_json(const LayerRow& row);

}  // namespace fovea::apps
