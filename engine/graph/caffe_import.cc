#include "engine/graph/caffe_import.h"

#include <algorithm>
#include <set>

#include "engine/graph/caffe_net.h"

namespace fovea {
namespace {

bool reads(const LayerDefinition& layer, const std::set<std::string>& blobs) {
  return std::ranges::any_of(layer.bottoms, [&](const auto& b) { return blobs.contains(b); });
}

// Blob that the last loss reads; "" = there is no loss.
std::string scored_blob(const NetPhases& net) {
  for (const NetDefinition* phase : {&net.test, &net.train}) {
    for (auto layer = phase->layers.rbegin(); layer != phase->layers.rend(); ++layer) {
      if (std::holds_alternative<SoftmaxLossParams>(layer->op)) return layer->bottoms.at(0);
    }
  }
  return "";
}

// `net` without labels and what depends on them.
NetDefinition without_labels(NetDefinition net) {
  std::set<std::string> dropped;
  while (net.inputs.size() > 1) {
    dropped.insert(net.inputs.back().name);
    net.inputs.pop_back();
  }
  std::erase_if(net.layers, [&](const LayerDefinition& layer) {
    if (!reads(layer, dropped)) return false;
    dropped.insert(layer.tops.begin(), layer.tops.end());
    return true;
  });
  return net;
}

void add_probabilities(NetDefinition& net, const std::string& scores) {
  bool made = false;
  std::set<std::string> names;
  for (const LayerDefinition& layer : net.layers) {
    names.insert(layer.name), names.insert(layer.tops.begin(), layer.tops.end());
    made = made || std::ranges::find(layer.tops, scores) != layer.tops.end();
    if (std::holds_alternative<SoftmaxParams>(layer.op) && layer.bottoms.at(0) == scores) return;
  }
  if (!made) return;
  std::string name = "prob";
  while (names.contains(name)) name += "_";
  net.layers.push_back(
      {.name = name, .op = SoftmaxParams{}, .bottoms = {scores}, .tops = {name}, .params = {}});
}

}  // namespace

CaffeData caffe_data(const ProtoMessage& net) {
  for (const ProtoField& field : net.fields) {
    if ((field.name != "layer" && field.name != "layers") || field.message.empty()) continue;
    const ProtoMessage& layer = field.message[0];
    if (!is_caffe_data_layer(layer) || layer.text("type") == "Input" ||
        !caffe_layer_in_phase(layer, Phase::kTrain)) {
      continue;
    }
    CaffeData data{.present = true, .where = layer.where};
    // The oldest files have the transformation in data_param itself.
    for (const ProtoField& part : layer.fields) {
      if (part.message.empty()) continue;
      const ProtoMessage& p = part.message[0];
      data.source = p.text("source", data.source);
      data.batch = p.integer("batch_size", data.batch);
      data.crop = p.integer("crop_size", data.crop);
      data.mirror = p.boolean("mirror", data.mirror);
      data.scale = static_cast<float>(p.number("scale", data.scale));
      for (const ProtoField* value : p.all("mean_value"))
        data.mean_values.push_back(static_cast<float>(value->number()));
    }
    return data;
  }
  return {};
}

std::int64_t caffe_batch(const ProtoMessage& net, const std::string& file) {
  const CaffeData data = caffe_data(net);
  if (data.batch > 0) return data.batch;
  const NetDefinition train = caffe_net(net, {.phase = Phase::kTrain, .crop = 1}, file);
  return train.inputs.empty() ? 0 : train.inputs[0].shape.axis_or_one(0);
}

NetPhases import_caffe_net(const ProtoMessage& net, const std::string& file,
                           const std::vector<std::int64_t>& input) {
  require_known_caffe_layers(net, file);
  NetOptions options{.phase = Phase::kTrain, .batch = 1};
  const CaffeData data = caffe_data(net);
  if (data.present && data.crop == 0) {
    require(!input.empty(), "no input size in ", data.where,
            ": the data layer has no crop_size, expected one, or the channels, rows and columns "
            "from elsewhere");
    options.crop = input.at(1);  // caffe_net wants some; the shape is set below
  }
  NetPhases result;
  result.train = caffe_net(net, options, file);
  options.phase = Phase::kTest;
  result.test = caffe_net(net, options, file);
  result.deploy = without_labels(result.test);
  if (result.test.inputs.size() > 1 || result.train.inputs.size() > 1)
    add_probabilities(result.deploy, scored_blob(result));
  for (NetDefinition* phase : {&result.train, &result.test, &result.deploy}) {
    require(!phase->inputs.empty(), "no input in ", file,
            ": neither input nor a data layer, expected one");
    if (!input.empty()) phase->inputs[0].shape = Shape{1, input.at(0), input.at(1), input.at(2)};
  }
  require(!result.deploy.layers.empty(), "empty net in ", file,
          ": no layer without labels, expected one or more");
  return result;
}

}  // namespace fovea
