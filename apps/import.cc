// `fovea import caffe`: Caffe's net and weight files as Fovea's own.
#include "apps/import.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "apps/common.h"
#include "apps/layer_table.h"
#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/graph/caffe_net.h"
#include "engine/graph/net_json.h"
#include "engine/io/weights.h"

namespace fovea::apps {

namespace fs = std::filesystem;

std::string file_name_of(const std::string& net) {
  std::string name = net;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == '.';
    if (!plain) c = '_';
  }
  return name.empty() || name.starts_with('.') ? "net" + name : name;
}

namespace {

struct Arguments {
  std::string prototxt, weights, mean, labels, out, name;
  std::vector<std::int64_t> shape;
};

// One class name a line, as Caffe's synset files have them.
std::vector<std::string> read_labels(const fs::path& path, std::int64_t expected) {
  std::istringstream lines(read_file(path));
  std::vector<std::string> labels;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) labels.push_back(line);
  }
  require(std::ssize(labels) == expected, "wrong number of labels in ", path.string(), ": ",
          labels.size(), ", expected ", expected, ", the outputs of the net");
  return labels;
}

// --mean, or the mean_value of the data layer as an image of the input's size; or nothing.
Tensor<float> mean_of(const Tensor<float>& given, const std::string& file, const CaffeData& data,
                      const Shape& input) {
  const std::int64_t channels = input.c(), rows = input.h(), columns = input.w();
  if (given.shape.rank() == 3) {
    require(given.shape[0] == channels && given.shape[1] >= rows && given.shape[2] >= columns,
            "wrong mean in ", file, ": ", given.shape, ", expected ", channels,
            " channels and at least ", rows, " x ", columns);
    return given;
  }
  const auto& values = data.mean_values;
  if (values.empty()) return {};
  require(values.size() == 1 || std::ssize(values) == channels, "wrong mean_value in ", data.where,
          ": ", values.size(), " values, expected 1 or ", channels);
  Tensor<float> mean(Shape{channels, rows, columns});
  for (std::int64_t c = 0; c < channels; ++c) {
    std::fill_n(mean.values.begin() + c * rows * columns, rows * columns,
                values[values.size() == 1 ? 0 : static_cast<std::size_t>(c)]);
  }
  return mean;
}

// The parameters of every phase, and how to feed them. What the file holds besides is reported.
WeightFile converted_weights(const Arguments& a, const NetPhases& net, const Json& json,
                             const Graph& deploy) {
  WeightFile file = read_weights(a.weights), result;
  result.tensors = take_weights(deploy, file, a.weights);
  // Heads that only training has come along where the file has them.
  for (auto& tensor : take_weights(build_graph(net.train), file, a.weights, /*all=*/false))
    result.tensors.push_back(std::move(tensor));
  for (const auto& [name, tensor] : file.tensors)
    talk(str("left out: ", name, " ", tensor.shape, ", which the net has not"));
  result.metadata = {{"net", json.dump()}, {"channel_order", "BGR"}};
  const Shape& input = deploy.tensors[0].shape;
  if (input.h() == input.w()) result.metadata["crop"] = str(input.h());
  return result;
}

void print_layers(const Graph& graph) {
  std::cout << std::left << std::setw(30) << "layer" << std::setw(16) << "type" << std::setw(18)
            << "output" << std::right << std::setw(12) << "parameters" << '\n';
  std::int64_t parameters = 0;
  for (const LayerRow& row : layer_rows(graph)) {
    parameters += row.parameters;
    std::cout << std::left << std::setw(30) << row.name << ' ' << std::setw(15) << row.type << ' '
              << std::setw(17) << str(row.output) << ' ' << std::right << std::setw(11)
              << row.parameters << '\n';
  }
  std::cout << std::left << std::setw(64) << "total" << std::right << std::setw(12) << parameters
            << '\n';
}

void print_result(const Graph& deploy, const fs::path& net, const fs::path& weights) {
  if (!common().json) {
    print_layers(deploy);
    std::cout << "net " << net.string() << '\n';
    if (!weights.empty()) std::cout << "weights " << weights.string() << '\n';
    return;
  }
  Json layers = Json::array();
  std::int64_t parameters = 0;
  for (const LayerRow& row : layer_rows(deploy)) {
    layers.push_back(layer_json(row));
    parameters += row.parameters;
  }
  Json result = {{"net", net.string()}, {"layers", layers}, {"parameters", parameters}};
  if (!weights.empty()) result["weights"] = weights.string();
  print_json(result);
}

// Size of the input where the net file does not say it: --shape, else the mean's.
std::vector<std::int64_t> input_shape(const Arguments& a, const CaffeData& data,
                                      const Tensor<float>& mean) {
  if (!a.shape.empty()) return a.shape;
  const bool open = data.present && data.crop == 0;
  require(!open || mean.shape.rank() == 3, "no input size in ", data.where,
          ": the data layer has no crop_size, expected one, or --shape C,H,W, or a --mean");
  if (!open) return {};
  return {mean.shape.begin(), mean.shape.end()};
}

void import_caffe(const Arguments& a) {
  const ProtoMessage message = parse_prototxt(read_file(a.prototxt), a.prototxt);
  const CaffeData data = caffe_data(message);
  const Tensor<float> mean = a.mean.empty() ? Tensor<float>{} : read_mean(a.mean);
  require_known_caffe_layers(message, a.prototxt);
  const NetPhases net = import_caffe_net(message, a.prototxt, input_shape(a, data, mean));
  const Json json = write_net(net);
  const Graph deploy = build_graph(json_net(json, {}, a.prototxt));
  const std::string name = a.name.empty() ? file_name_of(net.deploy.name) : a.name;
  const fs::path net_file = fs::path(a.out) / (name + ".json"),
                 weight_file = fs::path(a.out) / (name + ".safetensors");
  WeightFile weights;
  if (!a.weights.empty()) {
    weights = converted_weights(a, net, json, deploy);
    if (data.present) weights.metadata["scale"] = write_json(data.scale).dump();  // all its digits
    if (!a.labels.empty()) {
      const Node& last = deploy.nodes.back();
      const Shape& scores = deploy.tensors[static_cast<std::size_t>(last.tops[0])].shape;
      weights.metadata["classes"] = Json(read_labels(a.labels, scores.count_from(1))).dump();
    }
    Tensor<float> image = mean_of(mean, a.mean, data, deploy.tensors[0].shape);
    if (image.shape.rank() == 3) weights.tensors.emplace_back("__mean__", std::move(image));
  }
  fs::create_directories(a.out);
  AtomicFile out(net_file, common().force);
  out.write(net_text(json));
  if (!a.weights.empty()) write_safetensors(weight_file, weights, common().force);
  out.commit();
  print_result(deploy, net_file, a.weights.empty() ? fs::path() : weight_file);
}

}  // namespace

void add_import_commands(CLI::App& app) {
  CLI::App* import = app.add_subcommand("import", "Caffe's files: caffe (nets, weights), solver");
  import->require_subcommand(1);
  import->footer(
      "Example: fovea import caffe deploy.prototxt --weights net.caffemodel --out imported");
  auto a = std::make_shared<Arguments>();
  CLI::App* c = import->add_subcommand(
      "caffe", "a net (deploy or train_val) and its weights as NAME.json and NAME.safetensors");
  c->add_option("PROTOTXT", a->prototxt, "net description, layer or layers syntax")->required();
  CLI::Option* weights = c->add_option("--weights", a->weights, "weights (.caffemodel)");
  c->add_option("--mean", a->mean, "mean image (.binaryproto, .npy), kept with the weights")
      ->needs(weights);
  c->add_option("--labels", a->labels, "class names, one a line, kept with the weights")
      ->needs(weights);
  c->add_option("--out", a->out, "folder for NAME.json and NAME.safetensors")->required();
  c->add_option("--name", a->name, "NAME (the net's own)");
  c->add_option("--shape", a->shape,
                "C,H,W of the input (the file's; a data layer without crop_size needs it)")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(1, 65536));
  c->footer(
      "Example: fovea import caffe deploy.prototxt --weights age.caffemodel --mean "
      "mean.binaryproto --out nets");
  c->callback([a] { import_caffe(*a); });
  add_import_solver_command(*import);
}

}  // namespace fovea::apps
