#include "engine/graph/caffe_net.h"

#include <algorithm>
#include <functional>
#include <map>

#include "engine/core/fields.h"

namespace fovea {
namespace {

Filler filler_of(const ProtoMessage& message) {
  Filler filler;
  const std::string type = message.text("type", "constant");
  bool known = false;
  for (const auto& [name, value] : enum_names<FillerType>) {
    if (name == type) filler.type = value, known = true;
  }
  require(known, "unknown filler in ", message.where, ": '", type,
          "', expected constant | uniform | gaussian | xavier | msra");
  require(message.integer("sparse", -1) == -1, "unsupported filler in ", message.where,
          ": sparse, expected none");
  const std::string norm = message.text("variance_norm", "FAN_IN");
  require(norm == "FAN_IN", "unsupported filler in ", message.where, ": variance_norm ", norm,
          ", expected FAN_IN");
  filler.value = static_cast<float>(message.number("value", 0));
  filler.min = static_cast<float>(message.number("min", 0));
  filler.max = static_cast<float>(message.number("max", 1));
  filler.mean = static_cast<float>(message.number("mean", 0));
  filler.std = static_cast<float>(message.number("std", 1));
  return filler;
}

// kernel_size / kernel_h + kernel_w and their like.
Extent2 extent_of(const ProtoMessage& p, const std::string& both, const std::string& prefix,
                  std::int64_t fallback) {
  const std::int64_t size = p.integer(both, fallback);
  return {p.integer(prefix + "_h", size), p.integer(prefix + "_w", size)};
}

ConvolutionParams convolution_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("convolution_param");
  const std::int64_t dilation = p.integer("dilation", 1);
  require(dilation == 1, "unsupported field in ", p.where, ": dilation: ", dilation,
          ", expected 1");
  ConvolutionParams c{.outputs = p.integer("num_output", 0),
                      .kernel = extent_of(p, "kernel_size", "kernel", 0),
                      .stride = extent_of(p, "stride", "stride", 1),
                      .pad = extent_of(p, "pad", "pad", 0),
                      .groups = p.integer("group", 1),
                      .bias = p.boolean("bias_term", true),
                      .weight_filler = filler_of(p.message("weight_filler")),
                      .bias_filler = filler_of(p.message("bias_filler"))};
  require(c.outputs > 0 && c.kernel[0] > 0 && c.kernel[1] > 0 && c.stride[0] > 0 && c.stride[1] > 0,
          "wrong convolution in ", layer.where,
          ": num_output, kernel_size and stride, expected 1 or more");
  return c;
}

InnerProductParams inner_product_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("inner_product_param");
  const std::int64_t axis = p.integer("axis", 1);
  require(axis == 1, "unsupported field in ", p.where, ": axis: ", axis, ", expected 1");
  InnerProductParams c{.outputs = p.integer("num_output", 0),
                       .bias = p.boolean("bias_term", true),
                       .weight_filler = filler_of(p.message("weight_filler")),
                       .bias_filler = filler_of(p.message("bias_filler"))};
  require(c.outputs > 0, "wrong inner product in ", layer.where,
          ": num_output, expected 1 or more");
  return c;
}

PoolingParams pooling_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("pooling_param");
  const std::string mode = p.text("pool", "MAX");
  require(mode == "MAX" || mode == "AVE", "unsupported field in ", p.where, ": pool: ", mode,
          ", expected MAX or AVE");
  PoolingParams c{.mode = mode == "MAX" ? PoolingMode::kMax : PoolingMode::kAverage,
                  .kernel = extent_of(p, "kernel_size", "kernel", 0),
                  .stride = extent_of(p, "stride", "stride", 1),
                  .pad = extent_of(p, "pad", "pad", 0),
                  .global = p.boolean("global_pooling", false)};
  require(c.global || (c.kernel[0] > 0 && c.kernel[1] > 0), "wrong pooling in ", layer.where,
          ": kernel_size, expected 1 or more");
  if (c.global) c.kernel = {1, 1};
  return c;
}

LrnParams lrn_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("lrn_param");
  const bool within = p.text("norm_region", "ACROSS_CHANNELS") == "WITHIN_CHANNEL";
  LrnParams c{.size = p.integer("local_size", 5),
              .alpha = static_cast<float>(p.number("alpha", 1)),
              .beta = static_cast<float>(p.number("beta", 0.75)),
              .k = static_cast<float>(p.number("k", 1)),
              .region = within ? LrnRegion::kWithinChannel : LrnRegion::kAcrossChannels};
  require(c.size % 2 == 1, "wrong LRN in ", layer.where, ": local_size: ", c.size,
          ", expected an odd number");
  return c;
}

SoftmaxLossParams softmax_loss_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("loss_param");
  return {.loss_weight = static_cast<float>(layer.number("loss_weight", 1)),
          .has_ignore_label = p.find("ignore_label") != nullptr,
          .ignore_label = static_cast<int>(p.integer("ignore_label", 0)),
          .normalize = p.boolean("normalize", true)};
}

AccuracyParams accuracy_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("accuracy_param");
  return {.top_k = static_cast<int>(p.integer("top_k", 1)),
          .has_ignore_label = p.find("ignore_label") != nullptr,
          .ignore_label = static_cast<int>(p.integer("ignore_label", 0))};
}

ConcatParams concat_of(const ProtoMessage& layer) {
  const ProtoMessage& p = layer.message("concat_param");
  return {.axis = static_cast<int>(p.integer("axis", p.integer("concat_dim", 1)))};
}

using Reader = std::function<OpParams(const ProtoMessage&)>;

// Types of both syntaxes.
const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> kReaders = [] {
    std::map<std::string, Reader> map;
    const auto add = [&](const char* type, const char* v1, Reader reader) {
      map[type] = map[v1] = std::move(reader);
    };
    add("Convolution", "CONVOLUTION", convolution_of);
    add("InnerProduct", "INNER_PRODUCT", inner_product_of);
    add("Pooling", "POOLING", pooling_of);
    add("LRN", "LRN", lrn_of);
    add("ReLU", "RELU", [](const ProtoMessage& layer) {
      return ReluParams{
          .slope = static_cast<float>(layer.message("relu_param").number("negative_slope", 0))};
    });
    add("Dropout", "DROPOUT", [](const ProtoMessage& layer) {
      return DropoutParams{
          .ratio = static_cast<float>(layer.message("dropout_param").number("dropout_ratio", 0.5))};
    });
    add("Concat", "CONCAT", concat_of);
    add("Split", "SPLIT", [](const ProtoMessage&) { return SplitParams{}; });
    add("Softmax", "SOFTMAX", [](const ProtoMessage& layer) {
      const ProtoMessage& p = layer.message("softmax_param");
      const std::int64_t axis = p.integer("axis", 1);
      require(axis == 1, "unsupported field in ", p.where, ": axis: ", axis, ", expected 1");
      return SoftmaxParams{};
    });
    add("SoftmaxWithLoss", "SOFTMAX_LOSS", softmax_loss_of);
    add("Accuracy", "ACCURACY", accuracy_of);
    return map;
  }();
  return kReaders;
}

Shape shape_of(const ProtoMessage& message, const std::string& field) {
  std::vector<std::int64_t> extents;
  for (const ProtoField* dim : message.all(field)) extents.push_back(dim->integer());
  return Shape(extents);
}

void add_inputs(const ProtoMessage& net, const NetOptions& options, NetDefinition& result) {
  const auto names = net.all("input");
  const auto shapes = net.all("input_shape");
  const auto dims = net.all("input_dim");
  require(names.size() == shapes.size() || dims.size() == 4 * names.size(), "wrong inputs in ",
          net.where, ": every input needs four input_dim or one input_shape");
  for (std::size_t i = 0; i < names.size(); ++i) {
    Shape shape;
    if (i < shapes.size()) {
      shape = shapes[i]->message.empty() ? Shape{} : shape_of(shapes[i]->message[0], "dim");
    } else {
      shape = {dims[4 * i]->integer(), dims[4 * i + 1]->integer(), dims[4 * i + 2]->integer(),
               dims[4 * i + 3]->integer()};
    }
    if (options.batch > 0 && shape.rank() > 0) shape[0] = options.batch;
    if (options.crop > 0 && shape.rank() == 4) shape[2] = shape[3] = options.crop;
    result.inputs.push_back({names[i]->value, shape});
  }
}

void add_data_layer(const ProtoMessage& layer, const NetOptions& options, NetDefinition& result) {
  const auto tops = layer.all("top");
  if (layer.text("type") == "Input") {
    const auto shapes = layer.message("input_param").all("shape");
    for (std::size_t i = 0; i < tops.size() && !shapes.empty(); ++i) {
      Shape shape = shape_of(shapes[std::min(i, shapes.size() - 1)]->message.at(0), "dim");
      if (options.batch > 0) shape[0] = options.batch;
      result.inputs.push_back({tops[i]->value, shape});
    }
    return;
  }
  std::int64_t batch = options.batch;
  for (const ProtoField& field : layer.fields) {
    if (batch == 0 && !field.message.empty()) batch = field.message[0].integer("batch_size", 0);
  }
  const ProtoMessage& data = layer.message("data_param");
  const std::int64_t crop =
      options.crop > 0
          ? options.crop
          : layer.message("transform_param").integer("crop_size", data.integer("crop_size", 0));
  require(batch > 0 && crop > 0, "wrong data layer in ", layer.where,
          ": no batch_size or no crop_size, expected both");
  for (std::size_t i = 0; i < tops.size(); ++i) {
    result.inputs.push_back({tops[i]->value, i == 0 ? Shape{batch, 3, crop, crop} : Shape{batch}});
  }
}

using LayerFilter = std::function<bool(const ProtoMessage&)>;

void require_known(const ProtoMessage& net, const std::string& file, const LayerFilter& wanted) {
  std::string unknown;
  for (const ProtoField& field : net.fields) {
    if ((field.name != "layer" && field.name != "layers") || field.message.empty()) continue;
    const ProtoMessage& layer = field.message[0];
    const std::string type = layer.text("type");
    if (!wanted(layer) || is_caffe_data_layer(layer) || readers().contains(type)) continue;
    unknown += str(unknown.empty() ? "" : ", ", "'", type, "' (", layer.text("name"), ", line ",
                   layer.where.substr(layer.where.rfind(':') + 1), ")");
  }
  require(unknown.empty(), "unknown layer types in ", file, ": ", unknown);
}

}  // namespace

void require_known_caffe_layers(const ProtoMessage& net, const std::string& file) {
  require_known(net, file, [](const ProtoMessage&) { return true; });
}

bool caffe_layer_in_phase(const ProtoMessage& layer, Phase phase) {
  const std::string name = phase == Phase::kTrain ? "TRAIN" : "TEST";
  const auto includes = layer.all("include");
  for (const ProtoField* rule : layer.all("exclude")) {
    if (!rule->message.empty() && rule->message[0].text("phase") == name) return false;
  }
  return includes.empty() || std::ranges::any_of(includes, [&](const ProtoField* rule) {
           return !rule->message.empty() && rule->message[0].text("phase", name) == name;
         });
}

namespace {

// Caffe shares blobs between layers that give them the same name; no layer of ours can.
void require_own_parameters(const ProtoMessage& net) {
  std::map<std::string, std::string> owner;
  for (const ProtoField& field : net.fields) {
    if ((field.name != "layer" && field.name != "layers") || field.message.empty()) continue;
    const std::string layer = field.message[0].text("name");
    for (const ProtoField* param : field.message[0].all("param")) {
      const std::string name =
          param->message.empty() ? param->value : param->message[0].text("name");
      if (name.empty()) continue;
      const auto [first, is_new] = owner.emplace(name, layer);
      require(is_new || first->second == layer, "unsupported field in ", param->where, ": layer ",
              layer, " shares the parameter '", name, "' of layer ", first->second,
              ", expected parameters of its own");
    }
  }
}

}  // namespace

bool is_caffe_data_layer(const ProtoMessage& layer) {
  static const char* kTypes[] = {"Data",      "DATA",       "ImageData",   "IMAGE_DATA", "HDF5Data",
                                 "HDF5_DATA", "MemoryData", "MEMORY_DATA", "Input"};
  return std::ranges::find(kTypes, layer.text("type")) != std::end(kTypes);
}

LayerDefinition caffe_layer(const ProtoMessage& layer) {
  const std::string type = layer.text("type");
  const auto reader = readers().find(type);
  require(reader != readers().end(), "unknown layer type in ", layer.where, ": '", type, "'");
  LayerDefinition result{.name = layer.text("name"),
                         .op = reader->second(layer),
                         .bottoms = {},
                         .tops = {},
                         .params = {}};
  for (const ProtoField* bottom : layer.all("bottom")) result.bottoms.push_back(bottom->value);
  for (const ProtoField* top : layer.all("top")) result.tops.push_back(top->value);
  for (const ProtoField* param : layer.all("param")) {
    if (param->message.empty()) continue;
    result.params.push_back({static_cast<float>(param->message[0].number("lr_mult", 1)),
                             static_cast<float>(param->message[0].number("decay_mult", 1))});
  }
  const auto lr = layer.all("blobs_lr"), decay = layer.all("weight_decay");
  for (std::size_t i = 0; i < std::max(lr.size(), decay.size()); ++i) {
    result.params.push_back({i < lr.size() ? static_cast<float>(lr[i]->number()) : 1.0F,
                             i < decay.size() ? static_cast<float>(decay[i]->number()) : 1.0F});
  }
  const bool loss = std::holds_alternative<SoftmaxLossParams>(result.op) ||
                    std::holds_alternative<AccuracyParams>(result.op);
  if (result.tops.empty() && loss)
    result.tops.push_back(result.name);  // Caffe names the automatic top itself
  return result;
}

NetDefinition caffe_net(const ProtoMessage& net, const NetOptions& options,
                        const std::string& file) {
  NetDefinition result{.name = net.text("name", std::filesystem::path(file).stem().string()),
                       .inputs = {},
                       .layers = {}};
  add_inputs(net, options, result);
  require_own_parameters(net);
  require_known(net, file, [&](const ProtoMessage& layer) {
    return caffe_layer_in_phase(layer, options.phase);
  });
  for (const ProtoField& field : net.fields) {
    if ((field.name != "layer" && field.name != "layers") || field.message.empty()) continue;
    const ProtoMessage& layer = field.message[0];
    if (!caffe_layer_in_phase(layer, options.phase)) continue;
    if (is_caffe_data_layer(layer)) {
      add_data_layer(layer, options, result);
    } else {
      result.layers.push_back(caffe_layer(layer));
    }
  }
  require(!result.layers.empty(), "empty net in ", file, ": no layer, expected one or more");
  return result;
}

}  // namespace fovea
