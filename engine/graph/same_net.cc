#include "engine/graph/same_net.h"

#include "engine/core/json_fields.h"

#include <algorithm>

namespace fovea {
namespace {

// What a layer computes, without how its parameters start.
Json computed(const OpParams& op) {
  Json json = std::visit([](const auto& p) { return write_json(p); }, op);
  json.erase("weight_filler"), json.erase("bias_filler");
  return json;
}

std::string difference(const Graph& a, const Graph& b, const Node& x, const Node& y) {
  if (x.name != y.name) return str("layer ", x.name, ", expected ", y.name);
  const std::string layer = str("layer ", x.name, ": ");
  if (x.op.index() != y.op.index())
    return str(layer, op_type_name(x.op), ", expected ", op_type_name(y.op));
  const Json p = computed(x.op), q = computed(y.op);
  for (const auto& [key, value] : p.items()) {
    if (value != q[key]) return str(layer, key, " ", value.dump(), ", expected ", q[key].dump());
  }
  const auto same_inputs = [&](int s, int t) {
    return a.tensors[static_cast<std::size_t>(s)].blob ==
           b.tensors[static_cast<std::size_t>(t)].blob;
  };
  if (!std::ranges::equal(x.bottoms, y.bottoms, same_inputs)) return layer + "other inputs";
  return "";
}

}  // namespace

std::string first_difference(const Graph& a, const Graph& b) {
  const Shape &x = a.tensors[0].shape, &y = b.tensors[0].shape;
  if (x != y) return str("images of ", x, ", expected ", y);
  for (std::size_t i = 0; i < std::min(a.nodes.size(), b.nodes.size()); ++i) {
    const std::string found = difference(a, b, a.nodes[i], b.nodes[i]);
    if (!found.empty()) return found;
  }
  if (a.nodes.size() == b.nodes.size()) return "";
  return str(a.nodes.size(), " layers, expected ", b.nodes.size());
}

}  // namespace fovea
