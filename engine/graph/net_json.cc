#include "engine/graph/net_json.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/graph/caffe_net.h"
#include "engine/graph/graph.h"

namespace fovea {
namespace {

// Alternative i of OpParams, default-made.
OpParams make_op(std::size_t index) {
  OpParams result;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((index == I ? void(result.emplace<I>()) : void()), ...);
  }
  (std::make_index_sequence<std::variant_size_v<OpParams>>());
  return result;
}

OpParams op_of_type(const std::string& type, const std::string& where) {
  std::vector<std::string> known;
  for (std::size_t i = 0; i < std::variant_size_v<OpParams>; ++i) {
    OpParams op = make_op(i);
    if (op_type_name(op) == type) return op;
    known.emplace_back(op_type_name(op));
  }
  known.emplace_back("inception");
  throw Error(str("unknown layer type in ", where, ": '", type, "'", did_you_mean(type, known)));
}

class Reader {
 public:
  Reader(const Json& json, const NetOptions& options, const std::string& file)
      : json_(json), options_(options), file_(file) {}

  NetDefinition read() {
    check_keys(json_, {"name", "about", "parameters", "input", "defaults", "layers"}, file_);
    if (json_.contains("parameters")) parameters_ = json_["parameters"];
    for (const auto& [name, value] : options_.parameters) {
      require(parameters_.contains(name), "unknown parameter of net ", file_, ": '", name, "'");
      parameters_[name] = value;
    }
    net_.name = json_.value("name", std::filesystem::path(file_).stem().string());
    read_input();
    require(json_.contains("layers") && json_["layers"].is_array(), "missing key in ", file_,
            ": layers, expected a list");
    for (const Json& layer : json_["layers"]) read_layer(substituted(layer, file_ + ": layers"));
    require(!net_.layers.empty(), "empty net in ", file_,
            ": no layer in this phase, expected one or more");
    return std::move(net_);
  }

 private:
  static void check_keys(const Json& object, const std::vector<std::string>& known,
                         const std::string& where) {
    require(object.is_object(), "wrong value in ", where, ", expected an object");
    for (const auto& [key, value] : object.items()) {
      require(std::ranges::find(known, key) != known.end(), "unknown key in ", where, ": '", key,
              "'", did_you_mean(key, known));
    }
  }

  // "$classes" -> the parameter's value, everywhere in `json`.
  [[nodiscard]] Json substituted(const Json& json, const std::string& where) const {
    if (json.is_string() && json.get_ref<const std::string&>().starts_with('$')) {
      const std::string name = json.get<std::string>().substr(1);
      require(parameters_.contains(name), "unknown parameter in ", where, ": '$", name,
              "', expected one of \"parameters\"");
      return parameters_[name];
    }
    Json result = json;
    if (json.is_structured()) {
      for (auto& [key, value] : result.items()) value = substituted(value, where);
    }
    return result;
  }

  void read_input() {
    require(json_.contains("input"), "missing key in ", file_, ": input");
    const Json& input = json_["input"];
    check_keys(input, {"name", "shape"}, file_ + ": input");
    std::vector<std::int64_t> extents;
    read_json(input.at("shape"), extents, file_ + ": input.shape");
    require(extents.size() == 3, "wrong value in ", file_, ": input.shape: ", extents.size(),
            " axes, expected channels, rows, columns");
    if (options_.crop > 0) extents[1] = extents[2] = options_.crop;
    extents.insert(extents.begin(), std::max<std::int64_t>(options_.batch, 1));
    last_ = input.value("name", "data");
    net_.inputs.push_back({last_, Shape(extents)});
    if (options_.phase != Phase::kDeploy) net_.inputs.push_back({"label", Shape{extents[0]}});
  }

  [[nodiscard]] bool in_phase(const Json& layer, const std::string& where) const {
    if (!layer.contains("phase")) return true;
    static const std::map<std::string, Phase> kPhases = {
        {"train", Phase::kTrain}, {"test", Phase::kTest}, {"deploy", Phase::kDeploy}};
    const Json list = layer["phase"].is_array() ? layer["phase"] : Json::array({layer["phase"]});
    for (const Json& phase : list) {
      const auto found = kPhases.find(phase.is_string() ? phase.get<std::string>() : "");
      require(found != kPhases.end(), "wrong value in ", where, ".phase: ", phase.dump(),
              ", expected train | test | deploy");
      if (found->second == options_.phase) return true;
    }
    return false;
  }

  static std::vector<std::string> names(const Json& value, const std::string& where) {
    std::vector<std::string> result;
    read_json(value.is_array() ? value : Json::array({value}), result, where);
    return result;
  }

  void read_layer(Json layer) {
    require(layer.is_object() && layer.contains("name") && layer.contains("type"),
            "wrong layer in ", file_, ": ", layer.dump().substr(0, 60),
            ", expected an object with name and type");
    const auto name = layer["name"].get<std::string>(), type = layer["type"].get<std::string>();
    const std::string where = file_ + ": layer " + name;
    if (!in_phase(layer, where)) return;
    if (type == "inception") return expand_inception(layer, name, where);
    LayerDefinition result{
        .name = name, .op = op_of_type(type, where), .bottoms = {}, .tops = {}, .params = {}};
    if (json_.contains("defaults") && json_["defaults"].contains(type)) {
      const Json defaults = substituted(json_["defaults"][type], file_ + ": defaults." + type);
      for (const auto& [key, value] : defaults.items()) {
        if (!layer.contains(key)) layer[key] = value;
      }
    }
    const bool in_place = std::holds_alternative<ReluParams>(result.op) ||
                          std::holds_alternative<DropoutParams>(result.op);
    result.bottoms =
        layer.contains("bottom") ? names(layer["bottom"], where + ".bottom") : std::vector{last_};
    result.tops = layer.contains("top") ? names(layer["top"], where + ".top")
                                        : std::vector{in_place ? result.bottoms[0] : name};
    read_multipliers(layer, result, where);
    for (const char* key : {"name", "type", "phase", "bottom", "top", "lr_mult", "decay_mult"})
      layer.erase(key);
    std::visit([&](auto& op) { read_json(layer, op, where); }, result.op);
    check_sizes(result, where);
    const bool side = std::holds_alternative<SoftmaxLossParams>(result.op) ||
                      std::holds_alternative<AccuracyParams>(result.op);
    if (!side) last_ = result.tops[0];
    net_.layers.push_back(std::move(result));
  }

  static void check_sizes(const LayerDefinition& layer, const std::string& where) {
    const auto positive = [&](const Extent2& e, const char* key) {
      require(e[0] > 0 && e[1] > 0, "wrong value in ", where, ".", key, ": ", e[0], " x ", e[1],
              ", expected 1 or more");
    };
    if (const auto* c = std::get_if<ConvolutionParams>(&layer.op)) {
      positive(c->kernel, "kernel"), positive(c->stride, "stride");
      require(c->outputs > 0, "missing key in ", where, ": outputs");
    } else if (const auto* p = std::get_if<PoolingParams>(&layer.op)) {
      positive(p->kernel, "kernel"), positive(p->stride, "stride");
    } else if (const auto* i = std::get_if<InnerProductParams>(&layer.op)) {
      require(i->outputs > 0, "missing key in ", where, ": outputs");
    } else if (const auto* l = std::get_if<LrnParams>(&layer.op)) {
      require(l->size > 0 && l->size % 2 == 1, "wrong value in ", where, ".size: ", l->size,
              ", expected an odd number");
    }
  }

  static void read_multipliers(const Json& layer, LayerDefinition& result,
                               const std::string& where) {
    if (!layer.contains("lr_mult") && !layer.contains("decay_mult")) return;
    std::array<float, 2> lr{1, 1}, decay{1, 1};
    if (layer.contains("lr_mult")) read_json(layer["lr_mult"], lr, where + ".lr_mult");
    if (layer.contains("decay_mult")) read_json(layer["decay_mult"], decay, where + ".decay_mult");
    result.params = {{lr[0], decay[0]}, {lr[1], decay[1]}};
  }

  // Four branches (1x1; 3x3 behind a 1x1; 5x5 behind a 1x1; 1x1 behind a pooling) and their
  // concatenation, under the layer and blob names that Caffe's GoogLeNet gives them (Szegedy et al.
  // 2015).
  void expand_inception(const Json& block, const std::string& name, const std::string& where) {
    check_keys(block, {"name", "type", "phase", "bottom", "outputs"}, where);
    std::vector<std::int64_t> outputs;
    read_json(block.at("outputs"), outputs, where + ".outputs");
    require(outputs.size() == 6, "wrong value in ", where, ".outputs: ", outputs.size(),
            " numbers, expected six: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj");
    const std::string input = block.contains("bottom") ? names(block["bottom"], where)[0] : last_;
    const auto convolution = [&](const std::string& branch, const std::string& bottom,
                                 std::int64_t k, int kernel) {
      read_layer({{"name", name + "/" + branch},
                  {"type", "convolution"},
                  {"bottom", bottom},
                  {"outputs", k},
                  {"kernel", kernel},
                  {"pad", kernel / 2}});
      read_layer({{"name", name + "/relu_" + branch}, {"type", "relu"}});
      return name + "/" + branch;
    };
    const std::string one = convolution("1x1", input, outputs[0], 1);
    const std::string three =
        convolution("3x3", convolution("3x3_reduce", input, outputs[1], 1), outputs[2], 3);
    const std::string five =
        convolution("5x5", convolution("5x5_reduce", input, outputs[3], 1), outputs[4], 5);
    read_layer({{"name", name + "/pool"},
                {"type", "pooling"},
                {"bottom", input},
                {"kernel", 3},
                {"stride", 1},
                {"pad", 1}});
    const std::string pool = convolution("pool_proj", name + "/pool", outputs[5], 1);
    read_layer(
        {{"name", name + "/output"}, {"type", "concat"}, {"bottom", {one, three, five, pool}}});
  }

  const Json& json_;
  const NetOptions& options_;
  const std::string& file_;
  Json parameters_ = Json::object();
  NetDefinition net_;
  std::string last_;  // blob that a layer without "bottom" reads
};

}  // namespace

NetDefinition json_net(const Json& json, const NetOptions& options, const std::string& file) {
  try {
    return Reader(json, options, file).read();
  } catch (const Json::exception& error) {
    throw Error(str("wrong value in ", file, ": ", error.what()));
  }
}

NetDefinition load_net(const std::filesystem::path& path, const NetOptions& options) {
  const std::string file = path.string();
  if (path.extension() == ".json") return json_net(read_json_file(path), options, file);
  require(path.extension() == ".prototxt", "unknown net file: ", file,
          ", expected NAME.json or NAME.prototxt");
  return caffe_net(parse_prototxt(read_file(path), file), options, file);
}

}  // namespace fovea
