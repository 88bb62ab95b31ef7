#include "apps/resolve.h"

#include "apps/common.h"
#include "engine/backend/registry.h"
#include "engine/core/file.h"
#include "engine/graph/net_json.h"
#include "engine/io/weights.h"

namespace fovea::apps {

namespace fs = std::filesystem;

fs::path resolve_net(const std::string& name) {
  if (fs::exists(name)) return name;
  const fs::path folders[] = {
      fs::path(FOVEA_SOURCE_DIR) / "nets",
      fs::read_symlink("/proc/self/exe").parent_path() / "../share/fovea/nets"};
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / (name + ".json"))) return folder / (name + ".json");
  }
  std::vector<std::string> known;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folders[0], ignored))
    known.push_back(entry.path().stem().string());
  throw Error(str("unknown net: '", name, "', expected a file or a name in nets/",
                  did_you_mean(name, known)));
}

std::string resolve_device() {
  const std::string& device = common().device;
  if (device == "auto" || device == "cpu") return "cpu";
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

Model read_model(const fs::path& weights) {
  Model model{.file = read_weights(weights),
              .path = weights.string(),
              .classes = {},
              .mean = {},
              .crop = 0};
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
  return model;
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
