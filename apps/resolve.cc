#include "apps/resolve.h"

#include <omp.h>

#include "apps/common.h"
#include "data/mean.h"
#include "engine/backend/registry.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/graph/net_json.h"
#include "engine/graph/same_net.h"
#include "engine/io/weights.h"

namespace fovea::apps {

namespace fs = std::filesystem;

namespace {

// "caffenet" -> nets/caffenet.json of the source tree or of the installation.
fs::path named_json(const std::string& name, const char* what, const char* folder) {
  if (fs::exists(name)) return name;
  const std::array<fs::path, 2> folders = shared_folders(folder);
  for (const fs::path& place : folders) {
    if (fs::exists(place / (name + ".json"))) return place / (name + ".json");
  }
  std::vector<std::string> known;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folders[0], ignored))
    known.push_back(entry.path().stem().string());
  throw Error(str("unknown ", what, ": '", name, "', expected a file or a name in ", folder, "/",
                  did_you_mean(name, known)));
}

}  // namespace

std::array<fs::path, 2> shared_folders(const std::string& name) {
  return {fs::path(FOVEA_SOURCE_DIR) / name,
          fs::read_symlink("/proc/self/exe").parent_path() / "../share/fovea" / name};
}

fs::path resolve_net(const std::string& name) { return named_json(name, "net", "nets"); }

fs::path resolve_config(const std::string& name) { return named_json(name, "config", "configs"); }

std::string resolve_device() {
  const std::string& device = common().device;
  if (device == "auto") return missing_device("cuda").empty() ? "cuda" : "cpu";
  (void)open_device(device);  // says what is missing
  return device;
}

ExecutorOptions resolve_execution() {
  ExecutorOptions options{.device = resolve_device()};
  read_json(Json(common().precision), options.precision, "--precision");
  read_json(Json(common().engine), options.engine, "--engine");
  require_precision(options.device, options.precision);
  return options;
}

void talk_execution(const ExecutorOptions& options) {
  talk(str("device ", options.device, ", ", common().precision, ", engine ", common().engine, ", ",
           omp_get_max_threads(), " threads"));
}

namespace {

void read_facts(Model& model) {
  const auto& metadata = model.file.metadata;
  if (const auto found = metadata.find("classes"); found != metadata.end()) {
    read_json(Json::parse(found->second), model.classes, model.path + ": metadata classes");
  }
  if (const auto found = metadata.find("crop"); found != metadata.end())
    model.crop = std::stoll(found->second);
  if (const auto found = metadata.find("scale"); found != metadata.end()) {
    model.scale = std::stof(found->second);
  }
  if (const Tensor<float>* mean = model.file.find("__mean__")) model.mean = *mean;
}

}  // namespace

Model read_model(const fs::path& weights) {
  Model model{.file = read_weights(weights),
              .path = weights.string(),
              .classes = {},
              .mean = {},
              .crop = 0};
  try {
    read_facts(model);
  } catch (const std::logic_error& error) {  // of std::stof and its kin
    throw Error(str("wrong metadata in ", model.path, ": ", error.what()));
  } catch (const Json::exception& error) {
    throw Error(str("wrong metadata in ", model.path, ": ", error.what()));
  }
  return model;
}

std::string class_name(const Model& model, int k) {
  const auto index = static_cast<std::size_t>(k);
  return index < model.classes.size() ? model.classes[index] : str(k);
}

void require_complete(const Model& model) {
  const auto& metadata = model.file.metadata;
  const auto has = [&](const char* key) { return metadata.contains(key); };
  for (const char* key : {"net", "classes", "crop", "channel_order"})
    require(has(key), "no complete model in ", model.path, ": no ", key,
            ", expected what `fovea model bundle` or `fovea train` writes");
  require(metadata.at("channel_order") == "BGR", "wrong channel_order in ", model.path, ": ",
          metadata.at("channel_order"), ", expected BGR");
  require(model.file.find("__mean__") != nullptr, "no complete model in ", model.path,
          ": no mean image");
  const Graph graph = build_graph(model_net(model, "", 1));
  const Shape &image = graph.tensors[0].shape, &mean = model.mean.shape;
  require(mean.count() == 1 || (mean.rank() == 1 && mean[0] == image.c()) ||
              (mean.rank() == 3 && mean[0] == image.c() && mean[1] >= image.h() &&
               mean[2] >= image.w()),
          "wrong mean image in ", model.path, ": ", mean, ", expected one around ", image);
  for (const Node& node : graph.nodes) {
    for (const ParamInfo& p : node.params) {
      const Tensor<float>* weights = model.file.find(p.name);
      require(weights, "missing weights in ", model.path, ": ", p.name);
      require(weights->shape.count() == p.shape.count(), "wrong shape in ", model.path, ": tensor ",
              p.name, ": ", weights->shape, ", expected ", p.shape);
    }
  }
  const std::int64_t units =
      graph.tensors[static_cast<std::size_t>(graph.nodes.back().tops[0])].shape.c();
  require(std::ssize(model.classes) == units, "wrong classes in ", model.path, ": ",
          model.classes.size(), " names, expected ", units);
}

std::optional<Model> settle_model(const std::string& model, std::string& weights, std::string& net,
                                  const std::string& mean) {
  if (model.empty()) return std::nullopt;
  const fs::path path(model);
  if (path.extension() == ".json" || path.extension() == ".prototxt") {
    require(net.empty(), "two nets: --model ", model, " and --net ", net, ", expected one");
    net = model;
    return std::nullopt;
  }
  require(weights.empty(), "two models: --model ", model, " and --weights ", weights,
          ", expected one");
  weights = model;
  Model own = read_model(model);
  require_complete(own);
  if (!net.empty()) {
    const std::string other =
        first_difference(build_graph(model_net(own, net, 1)), build_graph(model_net(own, "", 1)));
    require(other.empty(), "wrong --net for ", model, ": ", net, ": ", other,
            " (the model has its own net)");
  }
  if (!mean.empty()) {
    const Tensor<float> given = read_mean(mean);
    require(given.shape == own.mean.shape && given.values == own.mean.values, "wrong --mean for ",
            model, ": ", mean, ": ", given.shape, ", expected the model's own, ", own.mean.shape);
  }
  return own;
}

NetDefinition model_net(const Model& model, const std::string& net, std::int64_t batch,
                        Phase phase) {
  NetOptions options{.phase = phase, .batch = batch, .crop = model.crop, .parameters = {}};
  const auto& metadata = model.file.metadata;
  if (const auto found = metadata.find("net_parameters"); found != metadata.end()) {
    const Json parameters = Json::parse(found->second);
    for (const auto& [key, value] : parameters.items()) options.parameters[key] = value;
  }
  if (!net.empty()) {
    const fs::path file = resolve_net(net);
    if (file.extension() != ".json") options.parameters.clear();
    return load_net(file, options);
  }
  const auto found = metadata.find("net");
  require(found != metadata.end(), "no net in ", model.path,
          ": its metadata has none, expected --net NET");
  return json_net(Json::parse(found->second), options, model.path + ": metadata net");
}

}  // namespace fovea::apps
