// `fovea net show | init`, `fovea forward`: nets by themselves.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/layer_table.h"
#include "apps/resolve.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/core/split_list.h"
#include "engine/graph/executor.h"
#include "engine/io/weights.h"
#include "engine/train/filler.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct ShowArguments {
  std::string net, phase = "deploy";
  std::int64_t batch = 0;
};

std::map<int, std::string> implementations_by_node(const Executor& executor) {
  std::map<int, std::string> result;
  for (const StepInfo& step : executor.steps()) {
    for (const int node : step.nodes) result[node] = step.implementation + " " + step.layout;
  }
  return result;
}

void show(const ShowArguments& a) {
  const Phase phase = a.phase == "train" ? Phase::kTrain : Phase::kDeploy;
  ExecutorOptions execution = resolve_execution();
  execution.training = phase == Phase::kTrain;
  const Executor executor(
      build_graph(load_net(resolve_net(a.net), {.phase = phase, .batch = a.batch})), execution);
  const Graph& graph = executor.graph();
  const auto implementations = implementations_by_node(executor);
  Json layers = Json::array();
  std::int64_t parameters = 0, macs = 0, bytes = 0;
  for (const LayerRow& row : layer_rows(graph)) {
    parameters += row.parameters, macs += row.macs, bytes += row.activation_bytes;
    const auto found = implementations.find(row.node);
    layers.push_back(layer_json(row));
    layers.back()["implementation"] = found == implementations.end() ? "fused" : found->second;
  }
  const Json result = {
      {"layers", layers}, {"parameters", parameters}, {"macs", macs}, {"activation_bytes", bytes}};
  if (common().json) return print_json(result);
  std::cout << std::left << std::setw(30) << "layer" << std::setw(16) << "type" << std::setw(18)
            << "output" << std::right << std::setw(12) << "parameters" << std::setw(15) << "MACs"
            << std::setw(13) << "bytes"
            << "  implementation\n";
  for (const Json& layer : layers) {
    const Shape shape(layer["output"].get<std::vector<std::int64_t>>());
    std::cout << std::left << std::setw(30) << layer["name"].get<std::string>() << std::setw(16)
              << layer["type"].get<std::string>() << std::setw(18) << str(shape) << std::right
              << std::setw(12) << layer["parameters"].get<std::int64_t>() << std::setw(15)
              << layer["macs"].get<std::int64_t>() << std::setw(13)
              << layer["activation_bytes"].get<std::int64_t>() << "  "
              << layer["implementation"].get<std::string>() << '\n';
  }
  std::cout << std::left << std::setw(64) << "total" << std::right << std::setw(12) << parameters
            << std::setw(15) << macs << std::setw(13) << bytes << "  arena "
            << executor.arena_bytes() / 1000000 << " MB\n";
}

struct ForwardArguments {
  std::string net, weights, input, out, dump;
};

std::string file_name(std::string blob) {
  for (std::size_t at = blob.find('/'); at != std::string::npos; at = blob.find('/'))
    blob.replace(at, 1, "__");
  return blob + ".npy";
}

std::vector<std::string> dumped_blobs(const ForwardArguments& a, const Graph& graph) {
  std::vector<std::string> blobs;
  for (const int id : graph.outputs())
    blobs.push_back(graph.tensors[static_cast<std::size_t>(id)].blob);
  if (a.dump == "all") {
    for (const TensorInfo& tensor : graph.tensors) {
      const bool split =
          tensor.producer >= 0 && std::holds_alternative<SplitParams>(
                                      graph.nodes[static_cast<std::size_t>(tensor.producer)].op);
      if (!split) blobs.push_back(tensor.blob);
    }
  } else if (!a.dump.empty()) {
    for (const std::string& blob : split_list(a.dump))
      blobs.push_back(graph.tensors[static_cast<std::size_t>(graph.find_blob(blob))].blob);
  }
  std::ranges::sort(blobs);
  blobs.erase(std::unique(blobs.begin(), blobs.end()), blobs.end());
  return blobs;
}

void forward(const ForwardArguments& a) {
  const Tensor<float> x = read_npy(a.input);
  require(x.shape.rank() == 4, "wrong array in ", a.input, ": ", x.shape,
          ", expected N x C x H x W");
  const Model model = read_model(a.weights);
  Graph graph = build_graph(model_net(model, a.net, x.shape.n()));
  // Without --dump only what the main output, the last layer's, needs.
  if (a.dump.empty()) graph = prune_to(graph, {graph.nodes.back().tops[0]});
  ExecutorOptions execution = resolve_execution();
  execution.keep_all = !a.dump.empty();
  Executor executor(std::move(graph), execution);
  load_all_weights(executor, model.file, model.path);
  const TensorView<float> input = executor.input(executor.graph().tensors[0].blob);
  require(input.shape == x.shape, "wrong array in ", a.input, ": ", x.shape, ", expected ",
          input.shape);
  std::ranges::copy(x.values, input.data);
  const std::vector<std::string> blobs = dumped_blobs(a, executor.graph());
  executor.forward();
  fs::create_directories(a.out);
  std::vector<fs::path> files;
  for (const std::string& blob : blobs) {
    const Tensor<float> value = executor.blob(blob);
    files.push_back(fs::path(a.out) / file_name(blob));
    write_npy(files.back(), value.view(), common().force);
  }
  talk_execution(execution);
  print_written(files);
}

struct InitArguments {
  std::string net, out;
};

void init(const InitArguments& a) {
  require(fs::path(a.out).extension() == ".safetensors", "wrong --out: '", a.out,
          "', expected NAME.safetensors");
  const fs::path file = resolve_net(a.net);
  // Fillers stand in the train phase of a prototxt; a deploy file has none. The main parameters are
  // the same.
  Executor executor(build_graph(load_net(file, {.phase = Phase::kDeploy, .batch = 1})),
                    {.device = resolve_device()});
  fill_params(executor, common().seed);
  WeightFile weights;
  if (file.extension() == ".json") weights.metadata["net"] = read_json_file(file).dump();
  append_weights(executor, weights);
  write_safetensors(a.out, weights, common().force);
  print_written({a.out});
}

}  // namespace

void add_net_commands(CLI::App& app) {
  CLI::App* net = app.add_subcommand("net", "nets: show, init");
  net->require_subcommand(1);
  net->footer("Example: fovea net show adiencenet --batch 32");
  auto s = std::make_shared<ShowArguments>();
  CLI::App* show_command =
      net->add_subcommand("show", "layers with shapes, parameters, MACs, implementation");
  show_command->add_option("NET", s->net, "name in nets/, .json or .prototxt")->required();
  show_command->add_option("--phase", s->phase, "train | deploy")
      ->check(CLI::IsMember({"train", "deploy"}))
      ->capture_default_str();
  show_command->add_option("--batch", s->batch, "images (the file's)")->check(CLI::Range(1, 65536));
  show_command->footer("Example: fovea net show googlenet --batch 32");
  show_command->callback([s] { show(*s); });
  auto i = std::make_shared<InitArguments>();
  CLI::App* init_command =
      net->add_subcommand("init", "a weight file filled as the definition says");
  init_command->add_option("NET", i->net, "name in nets/, .json or .prototxt")->required();
  init_command->add_option("--out", i->out, "weights to write (.safetensors)")->required();
  init_command->footer("Example: fovea net init adiencenet --out w.safetensors --seed 1");
  init_command->callback([i] { init(*i); });
}

void add_forward_command(CLI::App& app) {
  auto a = std::make_shared<ForwardArguments>();
  CLI::App* c = app.add_subcommand("forward", "run a net on an array, write blobs as .npy");
  c->add_option("--net", a->net, "net (default: the one in the weights' metadata)");
  c->add_option("--weights", a->weights, "weights")->required();
  c->add_option("--input", a->input, "float32 N x C x H x W, used as is")->required();
  c->add_option("--out", a->out, "folder for BLOB.npy ('/' becomes '__')")->required();
  c->add_option("--dump", a->dump, "further blobs: NAME,... | all");
  c->footer(
      "Example: fovea forward --net adiencenet --weights w.safetensors --input x.npy --out blobs");
  c->callback([a] { forward(*a); });
}

}  // namespace fovea::apps
