#include "engine/train/config.h"

#include <numeric>
#include <variant>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/json_schema.h"

namespace fovea {
namespace {

// Later values win; objects merge key by key.
void merge(Json& base, const Json& change) {
  if (!base.is_object() || !change.is_object()) {
    base = change;
    return;
  }
  for (const auto& [key, value] : change.items()) merge(base[key], value);
}

Json read_extended(const std::filesystem::path& file, int depth) {
  require(depth < 16, "endless \"extends\" in ", file.string());
  Json json = read_json_file(file);
  require(json.is_object(), "wrong value in ", file.string(), ", expected an object");
  if (!json.contains("extends")) return json;
  require(json["extends"].is_string(), "wrong value in ", file.string(),
          ".extends, expected a file name");
  Json base = read_extended(file.parent_path() / json["extends"].get<std::string>(), depth + 1);
  json.erase("extends");
  merge(base, json);
  return base;
}

void apply_setting(Json& json, const std::string& setting) {
  const auto equals = setting.find('=');
  require(equals != std::string::npos && equals > 0, "wrong --set: '", setting,
          "', expected key=value");
  Json* at = &json;
  std::string path = setting.substr(0, equals);
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.')) {
    at = &(*at)[path.substr(0, dot)];
    path.erase(0, dot + 1);
  }
  const std::string text = setting.substr(equals + 1);
  const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  (*at)[path] = value.is_discarded() ? Json(text) : value;
}

// Replaces "variants" and "variant" by the changes of the chosen one.
void apply_variant(Json& json, const std::string& file) {
  const Json variants = json.value("variants", Json::object()),
             name = json.value("variant", Json());
  json.erase("variants"), json.erase("variant");
  require(variants.is_object(), "wrong value in ", file, ".variants, expected an object");
  if (name.is_null()) return;
  require(name.is_string(), "wrong value in ", file, ".variant: ", name.dump(),
          ", expected a variant's name");
  const auto key = name.get<std::string>();
  std::vector<std::string> known;
  for (const auto& [variant, changes] : variants.items()) known.push_back(variant);
  require(variants.contains(key), "unknown variant in ", file, ": '", key, "'",
          known.empty() ? ", expected none: the file has no variants" : did_you_mean(key, known));
  merge(json, variants[key]);
}

void check(const EvaluationParams& e, const std::string& where) {
  require(e.interval >= 0 && e.limit >= 0 && e.patience >= 0, "wrong value in ", where,
          ": interval ", e.interval, ", limit ", e.limit, ", patience ", e.patience,
          ", expected 0 or more");
  require(e.split == "val" || e.split == "test" || e.split == "train", "wrong value in ", where,
          ".split: '", e.split, "', expected val | test | train");
  require(e.interval > 0 || (e.patience == 0 && !e.keep_best), "wrong value in ", where,
          ".interval: 0, expected 1 or more for patience and keep_best");
}

void check(const LossConfig& l, const std::string& where) {
  require(l.weighting == "none" || l.weighting == "balanced" || l.weighting == "weighted",
          "wrong value in ", where, ".weighting: '", l.weighting,
          "', expected none | balanced | weighted");
  require((l.weighting == "weighted") != l.class_weights.empty(), "wrong value in ", where,
          ".class_weights: ", l.class_weights.size(),
          " weights, expected one per class, with weighting weighted only");
  require(l.label_smoothing >= 0 && l.label_smoothing < 1, "wrong value in ", where,
          ".label_smoothing: ", l.label_smoothing, ", expected 0 or more, below 1");
  require(l.ordinal_sigma >= 0, "wrong value in ", where, ".ordinal_sigma: ", l.ordinal_sigma,
          ", expected 0 (off) or more");
}

void set_targets(NetDefinition& net, const LossConfig& config) {
  for (LayerDefinition& layer : net.layers) {
    auto* loss = std::get_if<SoftmaxLossParams>(&layer.op);
    if (!loss) continue;
    if (!config.class_weights.empty()) loss->class_weights = config.class_weights;
    if (config.label_smoothing > 0) loss->label_smoothing = config.label_smoothing;
    if (config.ordinal_sigma > 0) loss->ordinal_sigma = config.ordinal_sigma;
  }
}

}  // namespace

void check_config(const TrainConfig& c, const std::string& file) {
  require(c.target == "age" || c.target == "gender", "wrong value in ", file, ".target: '",
          c.target, "', expected age | gender");
  require(c.data.batch >= 1, "wrong value in ", file, ".data.batch: ", c.data.batch,
          ", expected 1 or more");
  require(c.data.sampling == "shuffle" || c.data.sampling == "balanced" ||
              c.data.sampling == "weighted",
          "wrong value in ", file, ".data.sampling: '", c.data.sampling,
          "', expected shuffle | balanced | weighted");
  require((c.data.sampling == "weighted") != c.data.class_weights.empty(), "wrong value in ", file,
          ".data.class_weights: ", c.data.class_weights.size(),
          " weights, expected one per class, with sampling weighted only");
  require(c.data.workers >= 1 && c.data.workers <= 1024 && c.data.prefetch >= 1 &&
              c.data.prefetch <= 1024,
          "wrong value in ", file, ".data: workers ", c.data.workers, ", prefetch ",
          c.data.prefetch, ", expected 1 to 1024");
  require(c.data.crop >= 1, "wrong value in ", file, ".data.crop: ", c.data.crop,
          ", expected 1 or more");
  require(c.solver.max_iter >= 1, "wrong value in ", file, ".solver.max_iter: ", c.solver.max_iter,
          ", expected 1 or more");
  require(c.solver.iter_size >= 1, "wrong value in ", file,
          ".solver.iter_size: ", c.solver.iter_size, ", expected 1 or more");
  require(c.solver.base_lr >= 0 && c.solver.weight_decay >= 0, "wrong value in ", file,
          ".solver: base_lr ", c.solver.base_lr, ", weight_decay ", c.solver.weight_decay,
          ", expected 0 or more");
  require(c.solver.momentum >= 0 && c.solver.momentum < 1, "wrong value in ", file,
          ".solver.momentum: ", c.solver.momentum, ", expected 0 or more, below 1");
  require(c.solver.snapshot >= 0 && c.solver.display >= 0, "wrong value in ", file,
          ".solver: snapshot ", c.solver.snapshot, ", display ", c.solver.display,
          ", expected 0 (never) or more");
  require(c.solver.keep_last >= 0, "wrong value in ", file,
          ".solver.keep_last: ", c.solver.keep_last, ", expected 0 (all) or more");
  require(c.solver.ema >= 0 && c.solver.ema < 1, "wrong value in ", file,
          ".solver.ema: ", c.solver.ema, ", expected 0 (off) or more, below 1");
  require(!c.evaluation.average || c.solver.ema > 0, "wrong value in ", file,
          ".evaluation.average: true, expected solver.ema above 0");
  check(c.evaluation, file + ".evaluation");
  check(c.loss, file + ".loss");
}

std::vector<float> balanced_class_weights(std::span<const std::int64_t> counts) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0LL));
  std::vector<float> weights;
  for (const std::int64_t count : counts) {
    const auto share = static_cast<double>(counts.size()) * static_cast<double>(count);
    weights.push_back(count > 0 ? static_cast<float>(total / share) : 0.0F);
  }
  return weights;
}

TrainConfig load_config(const std::filesystem::path& file,
                        const std::vector<std::string>& settings) {
  Json json = read_extended(file, 0);
  for (const std::string& setting : settings) {
    if (setting.starts_with("variant=")) apply_setting(json, setting);
  }
  apply_variant(json, file.string());
  for (const std::string& setting : settings) {
    if (!setting.starts_with("variant=")) apply_setting(json, setting);
  }
  TrainConfig config;
  read_json(json, config, file.string());
  check_config(config, file.string());
  return config;
}

Json config_schema() {
  Json schema = json_schema<TrainConfig>();
  Json keys = {
      {"extends",
       {{"type", "string"}, {"description", "a config to start from, relative to this file"}}},
      {"variants",
       {{"type", "object"}, {"description", "named changes; --set variant=NAME applies one"}}},
      {"variant", {{"type", "string"}, {"description", "the variant that applies"}}}};
  keys.update(schema["properties"]);
  schema["properties"] = keys;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "Fovea training config";
  return schema;
}

NetDefinition configured_net(const TrainConfig& config, const std::filesystem::path& net_file,
                             Phase phase, std::int64_t batch, std::int64_t classes) {
  NetOptions options{.phase = phase, .batch = batch, .crop = config.data.crop, .parameters = {}};
  if (net_file.extension() == ".json") options.parameters["classes"] = classes;
  for (const auto& [key, value] : config.parameters.items()) options.parameters[key] = value;
  NetDefinition net = load_net(net_file, options);
  if (phase == Phase::kTrain) {
    apply_layer_rates(net, config.layer_rates, config.freeze, "config");
    set_targets(net, config.loss);
  }
  if (config.weight_filler.empty()) return net;
  FillerType type{};
  read_json(Json(config.weight_filler), type, "config.weight_filler");
  std::vector<Filler*> fillers;
  for (LayerDefinition& layer : net.layers) {
    if (auto* c = std::get_if<ConvolutionParams>(&layer.op)) fillers.push_back(&c->weight_filler);
    if (auto* p = std::get_if<InnerProductParams>(&layer.op)) fillers.push_back(&p->weight_filler);
  }
  // The last layer keeps its own: scores should start small.
  for (std::size_t i = 0; i + 1 < fillers.size(); ++i) fillers[i]->type = type;
  return net;
}

}  // namespace fovea
