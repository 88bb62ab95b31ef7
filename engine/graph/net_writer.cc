#include "engine/graph/net_writer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/core/json_fields.h"
#include "engine/graph/graph.h"

namespace fovea {
namespace {

constexpr std::array kPhases{Phase::kTrain, Phase::kTest, Phase::kDeploy};
constexpr std::array kPhaseNames{"train", "test", "deploy"};

bool same_layer(const LayerDefinition& a, const LayerDefinition& b) {
  return a.name == b.name && a.op == b.op && a.bottoms == b.bottoms && a.tops == b.tops &&
         first_multipliers(a) == first_multipliers(b);
}

struct PhasedLayer {
  LayerDefinition layer;
  std::array<bool, 3> in{};  // by phase
};

// Every phase's layers in their order, equal ones once.
std::vector<PhasedLayer> merged(const NetPhases& net) {
  std::vector<PhasedLayer> all;
  for (std::size_t phase = 0; phase < kPhases.size(); ++phase) {
    std::size_t next = 0;
    for (const LayerDefinition& layer : phase_of(net, kPhases[phase]).layers) {
      auto found = std::find_if(all.begin() + static_cast<std::ptrdiff_t>(next), all.end(),
                                [&](const PhasedLayer& p) { return same_layer(p.layer, layer); });
      if (found == all.end())
        found = all.insert(all.begin() + static_cast<std::ptrdiff_t>(next), {.layer = layer});
      found->in[phase] = true;
      next = static_cast<std::size_t>(found - all.begin()) + 1;
    }
  }
  return all;
}

template <class T>
Json one_or_list(const std::vector<T>& values) {
  return values.size() == 1 ? Json(values[0]) : Json(values);
}

bool is_side(const OpParams& op) {
  return std::holds_alternative<SoftmaxLossParams>(op) ||
         std::holds_alternative<AccuracyParams>(op);
}

std::int64_t* outputs_of(OpParams& op) {
  if (auto* c = std::get_if<ConvolutionParams>(&op)) return &c->outputs;
  if (auto* p = std::get_if<InnerProductParams>(&op)) return &p->outputs;
  return nullptr;
}

// Blobs that softmaxes and losses read.
std::set<std::string> score_blobs(const std::vector<PhasedLayer>& layers) {
  std::set<std::string> blobs;
  for (const auto& [layer, in] : layers) {
    if (std::holds_alternative<SoftmaxParams>(layer.op) ||
        std::holds_alternative<SoftmaxLossParams>(layer.op)) {
      blobs.insert(layer.bottoms.at(0));
    }
  }
  return blobs;
}

// Outputs of the last layer that makes one of `scores`; 0 = there is none.
std::int64_t class_count(const std::vector<PhasedLayer>& layers,
                         const std::set<std::string>& scores) {
  std::int64_t classes = 0;
  for (const auto& [layer, in] : layers) {
    OpParams op = layer.op;
    const std::int64_t* outputs = outputs_of(op);
    if (outputs && scores.contains(layer.tops.at(0))) classes = *outputs;
  }
  return classes;
}

// Writes layers in order and knows what json_net takes for granted.
class LayerWriter {
 public:
  LayerWriter(const std::string& input, std::set<std::string> scores, std::int64_t classes)
      : last_{input, input, input}, scores_(std::move(scores)), classes_(classes) {}

  Json write(const PhasedLayer& phased) {
    const auto& [layer, in] = phased;
    Json json = {{"name", layer.name}, {"type", std::string(op_type_name(layer.op))}};
    if (std::ranges::count(in, true) < std::ssize(in)) json["phase"] = phase_names(in);
    const bool from_last = layer.bottoms.size() == 1 && follows_last(layer.bottoms[0], in);
    if (!from_last) json["bottom"] = one_or_list(layer.bottoms);
    const bool in_place = std::holds_alternative<ReluParams>(layer.op) ||
                          std::holds_alternative<DropoutParams>(layer.op);
    const std::string usual = in_place ? layer.bottoms.at(0) : layer.name;
    if (layer.tops != std::vector{usual}) json["top"] = one_or_list(layer.tops);
    write_operation(layer, json);
    write_multipliers(layer, json);
    for (std::size_t p = 0; p < in.size(); ++p) {
      if (in[p] && !is_side(layer.op)) last_[p] = layer.tops.at(0);
    }
    return json;
  }

 private:
  static Json phase_names(const std::array<bool, 3>& in) {
    std::vector<std::string> names;
    for (std::size_t p = 0; p < in.size(); ++p) {
      if (in[p]) names.emplace_back(kPhaseNames[p]);
    }
    return one_or_list(names);
  }

  [[nodiscard]] bool follows_last(const std::string& bottom, const std::array<bool, 3>& in) const {
    for (std::size_t p = 0; p < in.size(); ++p) {
      if (in[p] && last_[p] != bottom) return false;
    }
    return true;
  }

  void write_operation(const LayerDefinition& layer, Json& json) const {
    const Json fields = std::visit(
        [](const auto& op) {
          using Op = std::remove_cvref_t<decltype(op)>;
          return changes_from(write_json(op), write_json(Op{}));
        },
        layer.op);
    for (const auto& [key, value] : fields.items()) json[key] = value;
    OpParams op = layer.op;
    const std::int64_t* outputs = outputs_of(op);
    if (outputs && *outputs == classes_ && scores_.contains(layer.tops.at(0)))
      json["outputs"] = "$classes";
  }

  static void write_multipliers(const LayerDefinition& layer, Json& json) {
    const auto m = first_multipliers(layer);
    const std::array<float, 2> lr{m[0], m[1]}, decay{m[2], m[3]}, one{1, 1};
    if (lr != one) json["lr_mult"] = write_json(lr);
    if (decay != one) json["decay_mult"] = write_json(decay);
  }

  std::array<std::string, 3> last_;  // by phase: what a layer without "bottom" reads
  std::set<std::string> scores_;
  std::int64_t classes_;
};

void check_names(const NetDefinition& net) {
  const auto check = [&](const std::string& name) {
    require(!name.starts_with('$'), "unsupported name in net ", net.name, ": '", name,
            "', expected one that does not begin with '$'");
  };
  for (const LayerDefinition& layer : net.layers) {
    check(layer.name);
    std::ranges::for_each(layer.bottoms, check), std::ranges::for_each(layer.tops, check);
  }
}

void check_inputs(const NetPhases& net) {
  const auto& deploy = net.deploy.inputs;
  require(deploy.size() == 1 && deploy[0].shape.rank() == 4, "unsupported inputs in net ",
          net.deploy.name, ": ", deploy.size(), ", expected one of four axes");
  for (const NetDefinition* other : {&net.train, &net.test}) {
    const auto& inputs = other->inputs;
    const bool same = !inputs.empty() && inputs.size() <= 2 && inputs[0].name == deploy[0].name &&
                      inputs[0].shape.rank() == 4 &&
                      (inputs.size() == 1 || inputs[1].name == "label");
    require(same, "unsupported inputs in net ", net.deploy.name, ": ",
            inputs.empty() ? "none" : inputs.back().name, ", expected ", deploy[0].name,
            " and label");
    for (int axis = 1; axis < 4; ++axis) {
      require(inputs[0].shape[axis] == deploy[0].shape[axis], "unsupported inputs in net ",
              net.deploy.name, ": ", inputs[0].shape, " and ", deploy[0].shape,
              ", expected one size in all phases");
    }
  }
}

// {"a": 1, "b": [2, 3]}: JSON in one line with spaces.
std::string spaced(const Json& json) {
  std::string text;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      text += (text.empty() ? "" : ", ") + Json(key).dump() + ": " + spaced(value);
    return str('{', text, '}');
  }
  if (json.is_array()) {
    for (const Json& value : json) text += (text.empty() ? "" : ", ") + spaced(value);
    return str('[', text, ']');
  }
  if (json.is_number_float() && json == std::trunc(json.get<double>()) &&
      std::abs(json.get<double>()) < 1e9) {
    return str(json.get<std::int64_t>());  // 2, not 2.0
  }
  return json.dump();
}

}  // namespace

const NetDefinition& phase_of(const NetPhases& net, Phase phase) {
  return phase == Phase::kTrain ? net.train : phase == Phase::kTest ? net.test : net.deploy;
}

std::array<float, 4> first_multipliers(const LayerDefinition& layer) {
  std::array<float, 4> result{1, 1, 1, 1};
  for (std::size_t i = 0; i < std::min<std::size_t>(layer.params.size(), 2); ++i)
    result[i] = layer.params[i].lr_mult, result[i + 2] = layer.params[i].decay_mult;
  return result;
}

Json changes_from(const Json& value, const Json& standard) {
  if (!value.is_object() || !standard.is_object()) return value;
  Json result = Json::object();
  for (const auto& [key, item] : value.items()) {
    const auto usual = standard.find(key);
    if (usual == standard.end()) {
      result[key] = item;
    } else if (item != *usual) {
      result[key] = changes_from(item, *usual);
    }
  }
  return result;
}

Json write_net(const NetPhases& net) {
  check_inputs(net);
  for (const Phase phase : kPhases) check_names(phase_of(net, phase));
  const std::vector<PhasedLayer> layers = merged(net);
  const std::set<std::string> scores = score_blobs(layers);
  const std::int64_t classes = class_count(layers, scores);
  const InputDefinition& input = net.deploy.inputs[0];
  Json json = {{"name", net.deploy.name}};
  if (classes > 0) json["parameters"] = {{"classes", classes}};
  json["input"] = {{"name", input.name},
                   {"shape", {input.shape.c(), input.shape.h(), input.shape.w()}}};
  json["layers"] = Json::array();
  LayerWriter writer(input.name, scores, classes);
  for (const PhasedLayer& layer : layers) json["layers"].push_back(writer.write(layer));
  return json;
}

std::string net_text(const Json& json) {
  std::string text;
  for (const auto& [key, value] : json.items()) {
    text += (text.empty() ? "{\n  " : ",\n  ") + Json(key).dump() + ": ";
    if (key != "layers") {
      text += spaced(value);
      continue;
    }
    std::string lines;
    for (const Json& layer : value)
      lines += str(lines.empty() ? "\n    " : ",\n    ", spaced(layer));
    text += str('[', lines, "\n  ]");
  }
  return text + "\n}\n";
}

}  // namespace fovea
