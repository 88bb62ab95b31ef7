// `fovea model`: one file that predicts and explains without anything else, and what is in it.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/resolve.h"
#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"
#include "engine/train/run_log.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "fovea-model 1";

struct BundleArguments {
  std::string weights, out, net, mean, target;
  std::vector<std::string> classes;
  std::int64_t crop = 0;
  float scale = 0;
};

// Metadata that an option gives; a model that says something else already is right.
void set_fact(Model& model, const std::string& key, const std::string& value, const char* option) {
  if (value.empty()) return;
  const auto [found, added] = model.file.metadata.emplace(key, value);
  require(added || found->second == value, "wrong ", option, " for ", model.path, ": ", value,
          ", expected the model's own, ", found->second);
}

void set_mean(Model& model, const std::string& mean) {
  if (mean.empty()) return;
  const Tensor<float> given = mean == "none" ? Tensor<float>(Shape{3}) : read_mean(mean);
  const Tensor<float>* own = model.file.find("__mean__");
  require(!own || (own->shape == given.shape && own->values == given.values), "wrong --mean for ",
          model.path, ": ", mean, ", expected the model's own");
  if (!own) model.file.tensors.emplace_back("__mean__", given);
}

void set_net(Model& model, const std::string& net) {
  if (net.empty()) return;
  const fs::path file = resolve_net(net);
  require(file.extension() == ".json", "wrong --net: ", file.string(),
          ", expected a Fovea JSON (`fovea import caffe` makes one of a prototxt)");
  set_fact(model, "net", read_json_file(file).dump(), "--net");
}

// Of a folder that `fovea train` wrote: the config and the description of the run. Names of files
// stay, their folders do not: equal runs give equal models wherever they ran.
Json provenance(const fs::path& folder) {
  Json training = Json::object();
  if (fs::exists(folder / "config.json")) {
    Json config = read_json_file(folder / "config.json");
    for (const char* key : {"net", "weights"}) {
      if (config.contains(key) && config[key].is_string())
        config[key] = fs::path(config[key].get<std::string>()).filename().string();
    }
    training["config"] = config;
  }
  if (Json run = read_run_log(folder).description; run.is_object()) {
    if (run.contains("net")) run["net"] = fs::path(run.value("net", "")).filename().string();
    training["run"] = run;
  }
  return training;
}

void bundle(const BundleArguments& a) {
  Model model = read_model(a.weights);
  auto& metadata = model.file.metadata;
  set_net(model, a.net);
  set_mean(model, a.mean);
  set_fact(model, "classes", a.classes.empty() ? "" : Json(a.classes).dump(), "--classes");
  set_fact(model, "crop", a.crop > 0 ? str(a.crop) : "", "--crop");
  set_fact(model, "scale", a.scale > 0 ? str(a.scale) : "", "--scale");
  set_fact(model, "target", a.target, "--target");
  metadata.emplace("scale", "1"), metadata.emplace("channel_order", "BGR");
  if (!a.classes.empty())
    metadata.emplace("net_parameters", Json({{"classes", a.classes.size()}}).dump());
  const Json training = provenance(fs::path(a.weights).parent_path());
  if (!training.empty()) metadata["training"] = training.dump();
  metadata["format"] = kFormat;
  const fs::path partial = a.out + ".tmp";  // read back before it counts
  require(common().force || !fs::exists(a.out), "output exists: ", a.out,
          " (--force overwrites it)");
  write_safetensors(partial, model.file);
  try {
    Model written = read_model(partial);
    written.path = a.out;
    require_complete(written);
    fs::rename(partial, a.out);
  } catch (...) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw;
  }
  talk("wrote " + a.out);
}

Json parsed(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? Json()
                                 : Json::parse(found->second, nullptr, /*allow_exceptions=*/false);
}

// "" or what the model lacks.
std::string missing_in(const Model& model) {
  try {
    require_complete(model);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Json describe(const Model& model) {
  const auto& metadata = model.file.metadata;
  const std::string missing = missing_in(model);
  Json json = {{"complete", missing.empty()}};
  if (!missing.empty()) json["missing"] = missing;
  std::int64_t parameters = 0;
  Json tensors = Json::array();
  for (const auto& [name, tensor] : model.file.tensors) {
    if (!name.starts_with("__")) parameters += tensor.shape.count();
    tensors.push_back(
        {{"name", name},
         {"shape", std::vector<std::int64_t>(tensor.shape.begin(), tensor.shape.end())}});
  }
  if (metadata.contains("net")) {
    json["net"] = parsed(metadata, "net").value("name", "");
    const Shape input = model_net(model, "", 1).inputs[0].shape;
    json["input"] = std::vector<std::int64_t>(input.begin() + 1, input.end());
  }
  json["parameters"] = parameters;
  json["classes"] = model.classes;
  for (const char* key : {"format", "target", "alignment", "channel_order", "averaged"}) {
    if (metadata.contains(key)) json[key] = metadata.at(key);
  }
  for (const char* key : {"crop", "scale", "iteration", "evaluation", "training"}) {
    if (const Json value = parsed(metadata, key); !value.is_null()) json[key] = value;
  }
  if (const Tensor<float>* mean = model.file.find("__mean__"); mean && !mean->values.empty()) {
    const auto [low, high] = std::ranges::minmax(mean->values);
    json["mean"] = {{"shape", std::vector<std::int64_t>(mean->shape.begin(), mean->shape.end())},
                    {"min", shortest_double(low)},
                    {"max", shortest_double(high)}};
  }
  json["tensors"] = tensors;
  return json;
}

void inspect(const std::string& file) {
  const Json json = describe(read_model(file));
  if (common().json) return print_json(json);
  for (const auto& [key, value] : json.items()) {
    if (key == "training" || key == "tensors") continue;
    std::cout << std::left << std::setw(14) << key
              << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
  }
  if (json.contains("training")) {
    for (const auto& [part, facts] : json["training"].items()) {
      for (const auto& [key, value] : facts.items())
        std::cout << std::left << std::setw(14) << part << key << " " << value.dump() << '\n';
    }
  }
  for (const Json& tensor : json["tensors"])
    std::cout << "tensor        " << tensor["name"].get<std::string>() << " "
              << tensor["shape"].dump() << '\n';
}

}  // namespace

void add_model_commands(CLI::App& app) {
  CLI::App* model = app.add_subcommand("model", "trained models as one file: bundle, inspect");
  model->require_subcommand(1);
  auto a = std::make_shared<BundleArguments>();
  CLI::App* b = model->add_subcommand(
      "bundle", "one file with all that predict and relevance need, and where it comes from");
  b->add_option("--weights", a->weights, "snapshot of `fovea train`, or other weights")->required();
  b->add_option("--out", a->out, "model to write (.safetensors)")->required();
  b->add_option("--net", a->net, "net, where the weights have none (Fovea JSON)");
  b->add_option("--mean", a->mean, "mean image, where the weights have none; none = 0");
  b->add_option("--classes", a->classes, "names, comma separated, where the weights have none")
      ->delimiter(',');
  b->add_option("--target", a->target, "what the classes are of");
  b->add_option("--crop", a->crop, "rows and columns that the net sees")
      ->check(CLI::Range(1, 100000));
  b->add_option("--scale", a->scale, "of pixels behind the mean (1)")->check(positive());
  b->footer(
      "Example: fovea model bundle --weights runs/age/fold0/best.safetensors --out "
      "age.safetensors");
  b->callback([a] { bundle(*a); });
  auto file = std::make_shared<std::string>();
  CLI::App* i = model->add_subcommand("inspect", "what is in a model, and what it lacks");
  i->add_option("MODEL", *file, "model or weights")->required();
  i->footer("Example: fovea model inspect age.safetensors");
  i->callback([file] { inspect(*file); });
}

}  // namespace fovea::apps
