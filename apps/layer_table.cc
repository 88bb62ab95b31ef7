#include "apps/layer_table.h"

#include "engine/core/json_fields.h"

namespace fovea::apps {

std::vector<LayerRow> layer_rows(const Graph& graph) {
  std::vector<LayerRow> rows;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (std::holds_alternative<SplitParams>(node.op)) continue;
    const TensorInfo& top = graph.tensors[static_cast<std::size_t>(node.tops[0])];
    const TensorInfo& bottom = graph.tensors[static_cast<std::size_t>(node.bottoms[0])];
    LayerRow row{.node = static_cast<int>(i),
                 .name = node.name,
                 .type = std::string(caffe_type_name(node.op)),
                 .output = top.shape,
                 .macs = multiply_accumulates(graph, node),
                 .activation_bytes = top.blob == bottom.blob ? 0 : top.shape.count() * 4};
    for (const ParamInfo& param : node.params) row.parameters += param.shape.count();
    rows.push_back(std::move(row));
  }
  return rows;
}

Json layer_json(const LayerRow& row) {
  return {{"name", row.name},
          {"type", row.type},
          {"output", std::vector<std::int64_t>(row.output.begin(), row.output.end())},
          {"parameters", row.parameters},
          {"macs", row.macs},
          {"activation_bytes", row.activation_bytes}};
}

}  // namespace fovea::apps
