// `fovea import solver`: a Caffe solver file as a training config.
#include <filesystem>
#include <iostream>

#include "apps/common.h"
#include "apps/import.h"
#include "apps/resolve.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"
#include "engine/train/caffe_config.h"
#include "engine/train/config.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string solver, net, target, alignment, weights, out;
  std::int64_t crop = 0;
};

// The net file of --net or of the solver: as written, which is where Caffe looks, else beside the
// solver file.
fs::path find_net(const Arguments& a, const CaffeSolver& solver) {
  if (!a.net.empty()) return a.net;
  require(!solver.net.empty(), "no net in ", a.solver, ", expected net: or --net NET.prototxt");
  const fs::path beside = fs::path(a.solver).parent_path() / solver.net;
  for (const fs::path& place : {fs::path(solver.net), beside}) {
    if (fs::exists(place)) return place;
  }
  throw Error(str("missing net of ", solver.where, ": '", solver.net, "' is neither here nor in ",
                  fs::absolute(a.solver).parent_path().string(), ", expected --net NET.prototxt"));
}

// Outputs of the classifier of a net as JSON; 0 = it has none.
std::int64_t classes_of(const Json& net) {
  return net.contains("parameters") ? net["parameters"]["classes"].get<std::int64_t>() : 0;
}

// The net of a config: one of our own where that trains alike; else the file's, written beside the
// config.
struct ConfiguredNet {
  std::string net;
  Json parameters = Json::object();
  std::int64_t classes = 0;
  std::string text;  // of the file to write; empty = none
};

ConfiguredNet configured(const Arguments& a, const NetPhases& net) {
  const Json json = write_net(net);
  for (const char* name : {"adiencenet", "caffenet", "googlenet", "vgg16"}) {
    const fs::path file = resolve_net(name);
    const auto parameters =
        parameters_of_same_net(read_json_file(file), file.string(), net.train, classes_of(json));
    if (parameters)
      return {.net = name, .parameters = *parameters, .classes = classes_of(json), .text = {}};
  }
  const fs::path file = fs::path(a.out).parent_path() / (file_name_of(net.train.name) + ".json");
  require(file != fs::path(a.out), "the net would take the place of the config: ", file.string(),
          ", expected another --out");
  return {.net = file.string(), .classes = classes_of(json), .text = net_text(json)};
}

// Classes of the store's two targets.
std::string target_of_classes(std::int64_t classes) {
  return classes == 8 ? "age" : classes == 2 ? "gender" : "";
}

Json config_of(const Arguments& a, const CaffeSolver& solver, const CaffeData& data,
               const NetPhases& net, const ConfiguredNet& configured) {
  const SourceWords words = words_of_source(data.source);
  const std::string guess =
      words.target.empty() ? target_of_classes(configured.classes) : words.target;
  const std::string target = a.target.empty() ? guess : a.target;
  require(!target.empty(), "unknown target in ", a.solver, ": the net has ", configured.classes,
          " classes and its data do not say it, expected --target age|gender");
  const Shape& input = net.train.inputs[0].shape;
  require(input.h() == input.w(), "unsupported input of the net of ", a.solver, ": ", input.h(),
          " x ", input.w(), ", expected a square");
  Json config = {{"net", configured.net}, {"target", target}};
  if (!a.alignment.empty() || !words.alignment.empty())
    config["alignment"] = a.alignment.empty() ? words.alignment : a.alignment;
  if (!configured.parameters.empty()) config["parameters"] = configured.parameters;
  if (!a.weights.empty()) config["weights"] = a.weights;
  config["data"] = {{"batch", data.batch}, {"crop", input.h()}, {"mirror", data.mirror}};
  if (data.scale != 1) config["data"]["scale"] = write_json(data.scale);
  config["solver"] = solver.solver;
  if (solver.seed) config["seed"] = *solver.seed;
  return config;
}

void import_solver(const Arguments& a) {
  const CaffeSolver solver = import_caffe_solver(parse_prototxt(read_file(a.solver), a.solver));
  const fs::path net_file = find_net(a, solver);
  const ProtoMessage message = parse_prototxt(read_file(net_file), net_file.string());
  CaffeData data = caffe_data(message);
  require(!data.present || data.crop > 0 || a.crop > 0, "no input size in ", data.where,
          ": the data layer has no crop_size, expected one, or --crop N");
  const NetPhases net = import_caffe_net(
      message, net_file.string(),
      a.crop > 0 ? std::vector<std::int64_t>{3, a.crop, a.crop} : std::vector<std::int64_t>{});
  if (data.batch == 0) data.batch = caffe_batch(message, net_file.string());
  const ConfiguredNet configured_net = configured(a, net);
  const Json config = config_of(a, solver, data, net, configured_net);
  TrainConfig checked;
  read_json(config, checked, a.solver);
  check_config(checked, a.solver);

  AtomicFile out(a.out, common().force);
  out.write(config.dump(2) + "\n");
  const bool write_it =
      !configured_net.text.empty() &&
      !(fs::exists(configured_net.net) && read_file(configured_net.net) == configured_net.text);
  if (write_it) write_file(configured_net.net, configured_net.text, common().force);
  out.commit();
  talk(str("net: ", configured_net.net, configured_net.text.empty() ? ", which trains alike" : ""));
  if (!solver.unused.empty()) talk("not used: " + join_list(solver.unused));
  if (common().json) return print_json(config);
  std::cout << a.out << '\n';
}

}  // namespace

void add_import_solver_command(CLI::App& import) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = import.add_subcommand("solver", "a solver file and its net as a training config");
  c->add_option("SOLVER", a->solver, "solver file (.prototxt)")->required();
  c->add_option("--out", a->out,
                "config to write (.json); a net that is not one of nets/ is written beside it")
      ->required();
  c->add_option("--net", a->net, "net file (the solver's, where it says or beside it)");
  c->add_option("--target", a->target, "age | gender (by the data's path, or the classes)")
      ->check(CLI::IsMember({"age", "gender"}));
  c->add_option("--alignment", a->alignment, "aligned | unaligned | mixed (by the data's path)")
      ->check(CLI::IsMember({"aligned", "unaligned", "mixed"}));
  c->add_option("--weights", a->weights, "weights to fine-tune from, noted in the config");
  c->add_option("--crop", a->crop, "rows and columns of the input (the net's)")
      ->check(CLI::Range(1, 65536));
  c->footer("Example: fovea import solver solver.prototxt --out age.json");
  c->callback([a] { import_solver(*a); });
}

}  // namespace fovea::apps
