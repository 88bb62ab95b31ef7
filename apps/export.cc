// `fovea export onnx | caffe`: nets with weights as other programs' files.
#include <filesystem>
#include <iostream>

#include "apps/common.h"
#include "apps/resolve.h"
#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/caffe_export.h"
#include "engine/io/onnx_export.h"
#include "engine/io/weights.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string net, weights, out, outputs = "main";
  std::int64_t batch = 0;
};

void require_new(const fs::path& file) {
  require(common().force || !fs::exists(file), "output exists: ", file.string(),
          ", expected a new name (or --force)");
}

void print_files(const std::vector<fs::path>& files) {
  if (common().json) return print_written(files);
  for (const fs::path& file : files) std::cout << file.string() << '\n';
}

void export_onnx(const Arguments& a) {
  require(fs::path(a.out).extension() == ".onnx", "wrong --out: '", a.out, "', expected NAME.onnx");
  require_new(a.out);
  Model model = read_model(a.weights);
  Graph graph = build_graph(model_net(model, a.net, std::max<std::int64_t>(a.batch, 1)));
  if (a.outputs == "main") graph = prune_to(graph, {graph.nodes.back().tops[0]});
  const NamedTensors weights = take_weights(graph, model.file, a.weights);
  OnnxOptions options{.batch = a.batch};
  for (const char* key : {"classes", "channel_order", "scale", "target"}) {
    const auto found = model.file.metadata.find(key);
    if (found != model.file.metadata.end()) options.metadata.insert(*found);
  }
  write_onnx(a.out, graph, weights, options, common().force);
  print_files({a.out});
}

void export_caffe(const Arguments& a) {
  const fs::path out = a.out;
  require(out.extension() == ".caffemodel" || out.extension() == ".prototxt", "wrong --out: '",
          a.out, "', expected NAME.caffemodel (NAME.prototxt is written beside it)");
  Model model = read_model(a.weights);
  const NetDefinition net = model_net(model, a.net, std::max<std::int64_t>(a.batch, 1));
  const NamedTensors weights = take_weights(build_graph(net), model.file, a.weights);
  std::vector<fs::path> files{fs::path(out).replace_extension(".prototxt"),
                              fs::path(out).replace_extension(".caffemodel")};
  const fs::path mean = fs::path(out).replace_extension(".binaryproto"),
                 labels = fs::path(out).replace_extension(".labels.txt");
  if (model.mean.shape.rank() == 3) files.push_back(mean);
  if (!model.classes.empty()) files.push_back(labels);
  for (const fs::path& file : files) require_new(file);
  write_caffemodel(files[1], net, weights, common().force);
  write_file(files[0], caffe_prototxt(net), common().force);
  if (model.mean.shape.rank() == 3) write_mean(mean, model.mean.view(), common().force);
  std::string names;
  for (const std::string& name : model.classes) names += name + '\n';
  if (!names.empty()) write_file(labels, names, common().force);
  print_files(files);
}

CLI::App* add_command(CLI::App& app, const char* name, const char* about,
                      const std::shared_ptr<Arguments>& a, const char* out) {
  CLI::App* c = app.add_subcommand(name, about);
  c->add_option("NET", a->net, "name in nets/, .json or .prototxt; its deploy phase")->required();
  c->add_option("--weights", a->weights, "weights (.safetensors, .caffemodel)")->required();
  c->add_option("--out", a->out, out)->required();
  return c;
}

}  // namespace

void add_export_commands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("export", "nets with weights for others: onnx, caffe");
  group->require_subcommand(1);
  group->footer("Example: fovea export onnx adiencenet --weights w.safetensors --out net.onnx");
  auto onnx = std::make_shared<Arguments>();
  CLI::App* c = add_command(*group, "onnx", "an ONNX model (opset 13)", onnx, "model (.onnx)");
  c->add_option("--batch", onnx->batch, "images (any number)")->check(CLI::Range(1, 65536));
  c->add_option("--outputs", onnx->outputs, "main: the last layer's; all: auxiliary heads, too")
      ->check(CLI::IsMember({"main", "all"}))
      ->capture_default_str();
  c->footer("Example: fovea export onnx adiencenet --weights age.safetensors --out age.onnx");
  c->callback([onnx] { export_onnx(*onnx); });

  auto caffe = std::make_shared<Arguments>();
  c = add_command(*group, "caffe", "Caffe's files: prototxt and caffemodel", caffe,
                  "NAME.caffemodel; NAME.prototxt is written beside it, and NAME.binaryproto and "
                  "NAME.labels.txt where the weights carry a mean and class names");
  c->add_option("--batch", caffe->batch, "images of the prototxt's input (1)")
      ->check(CLI::Range(1, 65536));
  c->footer(
      "Example: fovea export caffe adiencenet --weights age.safetensors --out age.caffemodel");
  c->callback([caffe] { export_caffe(*caffe); });
}

}  // namespace fovea::apps
