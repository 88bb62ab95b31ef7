// The net of the tests of whole walks.
#pragma once

#include "engine/core/json_fields.h"
#include "engine/graph/net_json.h"

namespace fovea {

// Everything a study net has: padding, LRN, both poolings, groups, fan-out and concat.
inline Graph small_net(bool bias, bool lrn, std::int64_t batch = 2) {
  Json layers = Json::parse(R"([
    {"name": "conv1", "type": "convolution", "outputs": 16, "kernel": 3, "pad": 1},
    {"name": "relu1", "type": "relu"},
    {"name": "norm1", "type": "lrn", "size": 3, "alpha": 0.5, "beta": 0.75},
    {"name": "pool1", "type": "pooling", "kernel": 2, "stride": 2},
    {"name": "left", "type": "convolution", "bottom": "pool1", "outputs": 16, "kernel": 1},
    {"name": "relu_left", "type": "relu"},
    {"name": "right", "type": "convolution", "bottom": "pool1", "outputs": 32, "kernel": 3, "pad": 1, "groups": 2},
    {"name": "relu_right", "type": "relu"},
    {"name": "both", "type": "concat", "bottom": ["left", "right"]},
    {"name": "pool2", "type": "pooling", "mode": "average", "kernel": 2, "stride": 2},
    {"name": "fc3", "type": "inner_product", "outputs": 12},
    {"name": "relu3", "type": "relu"},
    {"name": "drop3", "type": "dropout", "ratio": 0.5},
    {"name": "fc4", "type": "inner_product", "outputs": 5},
    {"name": "prob", "type": "softmax"}])");
  Json kept = Json::array();
  for (Json& layer : layers) {
    const std::string type = layer["type"];
    if (type == "lrn" && !lrn) continue;
    if (type == "pooling" && !lrn) layer["bottom"] = layer["name"] == "pool1" ? "conv1" : "both";
    if (type == "convolution" || type == "inner_product") layer["bias"] = bias;
    kept.push_back(layer);
  }
  const Json net = {
      {"name", "small"}, {"input", {{"name", "data"}, {"shape", {3, 8, 8}}}}, {"layers", kept}};
  return build_graph(json_net(net, {.batch = batch}, "small"));
}

}  // namespace fovea
