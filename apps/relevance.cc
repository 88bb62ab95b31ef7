// `fovea relevance`: heatmaps of images, arrays or a view.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "data/batch_source.h"
#include "data/colormap.h"
#include "data/mean.h"
#include "data/picture.h"
#include "data/resize.h"
#include "engine/core/file.h"
#include "engine/core/npy.h"
#include "engine/io/weights.h"
#include "engine/relevance/analyzer.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string net, weights, mean, input, store, view, rule = "study", target = "predicted", layers,
                                                      out, colormap = "seismic";
  std::string first, last, start = "score", bias = "absorb";
  std::vector<std::string> images;
  std::optional<float> epsilon, beta;
  std::optional<std::string> lrn, max_pooling, aux_softmax;
  std::string flat_until;
  bool raw = false, explain = false, toolbox_group_bias = false;
  int batch = 8, limit = 0;
};

// One thing to explain: what the net sees, and the picture to lay the heatmap over.
struct Sample {
  std::string name;
  std::vector<float> input;  // (C, H, W)
  Image picture;             // empty for --input
  int label = -1;
};

template <class E>
E parse_enum(const std::string& text, const char* option) {
  E value{};
  read_json(Json(text), value, option);
  return value;
}

std::vector<Sample> samples_of_array(const Arguments& a, Shape& shape) {
  const Tensor<float> x = read_npy(a.input);
  require(x.shape.rank() == 4, "wrong array in ", a.input, ": ", x.shape,
          ", expected N x C x H x W");
  shape = x.shape;
  std::vector<Sample> samples;
  const auto size = static_cast<std::ptrdiff_t>(x.shape.count_from(1));
  for (std::int64_t n = 0; n < x.shape.n(); ++n) {
    samples.push_back({.name = str(n),
                       .input = {x.values.begin() + n * size, x.values.begin() + (n + 1) * size}});
  }
  return samples;
}

// The net's window of planes, as the net sees it and as a picture.
Sample sample_of_planes(std::string name, std::span<const std::uint8_t> planes, const Shape& image,
                        const TransformParams& transform) {
  const Window window = centre_window(image, transform.crop);
  Sample sample{.name = std::move(name)};
  sample.input.resize(static_cast<std::size_t>(3 * transform.crop * transform.crop));
  transform_image(planes, image, transform, window, sample.input);
  const Image whole =
      from_planes(planes, 3, static_cast<int>(image[1]), static_cast<int>(image[2]));
  sample.picture = {.height = transform.crop, .width = transform.crop, .channels = 3, .pixels = {}};
  for (int row = 0; row < transform.crop; ++row) {
    const auto* at = whole.pixels.data() + ((window.top + row) * whole.width + window.left) * 3;
    sample.picture.pixels.insert(sample.picture.pixels.end(), at,
                                 at + static_cast<std::ptrdiff_t>(transform.crop) * 3);
  }
  return sample;
}

std::vector<Sample> samples_of_files(const Arguments& a, const TransformParams& transform) {
  const int side =
      transform.mean.shape.rank() == 3 ? static_cast<int>(transform.mean.shape[1]) : transform.crop;
  std::vector<Sample> samples;
  for (const std::string& file : a.images) {
    const Image resized = resize_bilinear(read_image(file), side, side);
    std::vector<std::uint8_t> planes(resized.pixels.size());
    to_planes(resized, planes);
    samples.push_back(
        sample_of_planes(fs::path(file).stem().string(), planes, Shape{3, side, side}, transform));
  }
  return samples;
}

std::vector<Sample> samples_of_view(const Arguments& a, const TransformParams& transform) {
  const Store store(a.store);
  const View& view = store.view(a.view);
  std::vector<Sample> samples;
  std::vector<std::uint8_t> scratch;
  for (const std::uint32_t record : view.records) {
    if (a.limit > 0 && std::ssize(samples) >= a.limit) break;
    const RecordInfo info = store.record(record);
    samples.push_back(sample_of_planes(
        str(samples.size(), "_", fs::path(info.source).stem().string()),
        store.planes(record, scratch), Shape{3, info.height, info.width}, transform));
    if (view.target >= 0)
      samples.back().label = store.columns()[static_cast<std::size_t>(view.target)].values[record];
  }
  return samples;
}

// "predicted", "label", a class, or a comma list of classes, one per image.
int target_of(const Arguments& a, const Sample& sample, std::size_t index,
              std::span<const float> scores) {
  if (a.target == "predicted")
    return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
  if (a.target == "label") {
    require(sample.label >= 0, "no label for image ", sample.name,
            ", expected --data and a view with labels for --target label");
    return sample.label;
  }
  std::vector<std::string> parts(1);
  for (const char c : a.target) c == ',' ? void(parts.emplace_back()) : void(parts.back() += c);
  const std::string& part =
      parts.size() == 1 ? parts[0] : parts.at(std::min(index, parts.size() - 1));
  require(
      !part.empty() && part.size() < 7 && part.find_first_not_of("0123456789") == std::string::npos,
      "wrong --target: '", a.target, "', expected predicted | label | N | N,N,...");
  return std::stoi(part);
}

int layer_index(const Graph& graph, const std::string& text, int fallback) {
  if (text.empty()) return fallback;
  if (text.find_first_not_of("0123456789") == std::string::npos) return std::stoi(text);
  return graph.find_node(text);
}

void write_pictures(const Arguments& a, const Sample& sample, TensorView<const float> relevance) {
  const fs::path folder(a.out);
  const Colormap& map = find_colormap(a.colormap);
  write_file(folder / (sample.name + ".heatmap.png"), encode_png(heatmap(relevance, map)),
             common().force);
  if (!sample.picture.pixels.empty()) {
    write_file(folder / (sample.name + ".overlay.png"),
               encode_png(overlay(sample.picture, relevance, map)), common().force);
  }
  if (a.raw) write_npy(folder / (sample.name + ".relevance.npy"), relevance, common().force);
}

std::string file_name(std::string blob) {
  for (std::size_t at = blob.find('/'); at != std::string::npos; at = blob.find('/'))
    blob.replace(at, 1, "__");
  return blob;
}

void write_layers(const Arguments& a, const Analyzer& analyzer, const std::string& name,
                  std::int64_t image) {
  for (const LayerRelevance& layer : analyzer.layers()) {
    if (a.layers != "all" &&
        ("," + a.layers + ",").find("," + layer.name + ",") == std::string::npos)
      continue;
    const Tensor<float> all = analyzer.relevance_at(layer.node);
    const auto size = all.shape.count_from(1);
    const Shape shape(std::span<const std::int64_t>(all.shape.begin() + 1, all.shape.end()));
    write_npy(
        fs::path(a.out) / str(name, ".", layer.node, ".", file_name(layer.name), ".relevance.npy"),
        {all.values.data() + image * size, shape}, common().force);
  }
}

Json image_json(const Analyzer& analyzer, const std::string& name, int target, double score,
                std::size_t n) {
  Json layers = Json::array();
  for (const LayerRelevance& layer : analyzer.layers()) {
    layers.push_back({{"name", layer.name},
                      {"sum", layer.sum[n]},
                      {"absorbed_bias", layer.absorbed_bias[n]},
                      {"absorbed_eps", layer.absorbed_epsilon[n]}});
  }
  return {{"name", name},
          {"target", target},
          {"score", score},
          {"relevance_sum", analyzer.layers().back().sum[n]},
          {"layers", layers}};
}

void print_table(const Json& image) {
  std::cout << image["name"].get<std::string>() << ": class " << image["target"] << ", score "
            << image["score"].get<double>() << ", relevance "
            << image["relevance_sum"].get<double>()
            << "\n  layer                          sum           bias        epsilon\n";
  for (const Json& layer : image["layers"]) {
    std::cout << "  " << std::left << std::setw(24) << layer["name"].get<std::string>()
              << std::right << std::setprecision(6);
    for (const char* key : {"sum", "absorbed_bias", "absorbed_eps"})
      std::cout << std::setw(15) << layer[key].get<double>();
    std::cout << '\n';
  }
}

CompositeOverrides overrides_of(const Arguments& a, const Graph& graph) {
  CompositeOverrides overrides{.epsilon = a.epsilon,
                               .beta = a.beta,
                               .bias = parse_enum<BiasRule>(a.bias, "--bias"),
                               .toolbox_group_bias = a.toolbox_group_bias};
  if (a.lrn) overrides.lrn = parse_enum<LrnRule>(*a.lrn, "--lrn");
  if (a.max_pooling)
    overrides.max_pooling = parse_enum<MaxPoolingRule>(*a.max_pooling, "--max-pooling");
  if (!a.flat_until.empty()) overrides.flat_until = layer_index(graph, a.flat_until, -1);
  if (a.aux_softmax) overrides.auxiliary_softmax = *a.aux_softmax == "inject";
  return overrides;
}

// Options that were given and that no line of the composite listens to.
void report_unused(const Arguments& a, const Composite& composite) {
  const auto none = [&](auto&& uses) { return std::ranges::none_of(composite.rules, uses); };
  const auto report = [&](const char* option) {
    talk(str(option, " is not used by rule ", a.rule));
  };
  if (a.epsilon && none([](auto& c) { return c.rule == LinearRuleName::kEpsilon; }))
    report("--eps");
  if (a.beta && none([](auto& c) { return c.rule == LinearRuleName::kAlphaBeta; }))
    report("--beta");
  if (!a.flat_until.empty() && none([](auto& c) { return c.up_to >= 0; })) report("--flat-until");
}

// What the net sees of the mean image: the bounds of z^B.
Tensor<float> seen_mean(const Tensor<float>& mean, int crop) {
  if (mean.shape.rank() != 3) return {};
  const Window window = centre_window(mean.shape, crop);
  Tensor<float> seen({mean.shape[0], crop, crop});
  for (std::int64_t c = 0; c < mean.shape[0]; ++c) {
    for (std::int64_t h = 0; h < crop; ++h) {
      std::copy_n(
          mean.values.data() + (c * mean.shape[1] + window.top + h) * mean.shape[2] + window.left,
          crop, seen.values.data() + (c * crop + h) * crop);
    }
  }
  return seen;
}

class Explanation {
 public:
  explicit Explanation(const Arguments& a) : a_(a), model_(read_model(a.weights)) {
    if (!a.mean.empty()) model_.mean = read_mean(a.mean);
    const NetDefinition probe = model_net(model_, a.net, 1);
    crop_ = static_cast<int>(probe.inputs[0].shape.h());
    collect();
    const auto batch =
        std::max<std::int64_t>(1, std::min<std::int64_t>(a.batch, std::ssize(samples_)));
    NetDefinition net = model_net(model_, a.net, batch);
    if (!a.input.empty() && input_shape_.rank() == 4) {
      Shape wanted = input_shape_;
      wanted[0] = batch;
      require(net.inputs[0].shape == wanted, "wrong array in ", a.input, ": ", input_shape_,
              ", expected images of ", net.inputs[0].shape);
    }
    const Graph graph = build_graph(net);
    const Composite composite = load_composite(a.rule, overrides_of(a, graph));
    report_unused(a, composite);
    analyzer_ =
        std::make_unique<Analyzer>(graph, AnalyzerOptions{.composite = composite,
                                                          .device = resolve_device(),
                                                          .last = layer_index(graph, a.last, -1),
                                                          .first = layer_index(graph, a.first, 0),
                                                          .mean = seen_mean(model_.mean, crop_),
                                                          .keep_all = !a.layers.empty()});
    const WeightReport report = load_weights(analyzer_->executor(), model_.file, model_.path);
    require(report.missing.empty(), "missing weights in ", model_.path, ": ",
            report.missing.empty() ? "" : report.missing[0]);
    analyzer_->weights_changed();
  }

  void run() {
    if (a_.explain) {
      for (const std::string& line : analyzer_->explain()) std::cout << line << '\n';
      return;
    }
    fs::create_directories(a_.out);
    Json images = Json::array();
    const TensorView<float> input =
        analyzer_->executor().input(analyzer_->executor().graph().tensors[0].blob);
    Progress progress("relevance");
    for (std::int64_t first = 0; first < std::ssize(samples_); first += input.shape.n()) {
      run_batch(first, input, images);
      progress.update(std::min<std::int64_t>(first + input.shape.n(), std::ssize(samples_)),
                      std::ssize(samples_));
    }
    if (common().json) return print_json({{"images", images}});
    for (const Json& image : images) print_table(image);
  }

 private:
  void collect() {
    const TransformParams transform{.crop = crop_, .mean = model_.mean, .scale = model_.scale};
    if (!a_.input.empty()) {
      samples_ = samples_of_array(a_, input_shape_);
    } else if (!a_.store.empty()) {
      samples_ = samples_of_view(a_, transform);
    } else {
      samples_ = samples_of_files(a_, transform);
    }
    require(!samples_.empty(),
            "nothing to explain, expected IMAGE..., --input or --data with --view");
  }

  void run_batch(std::int64_t first, TensorView<float> input, Json& images) {
    const std::int64_t count =
                           std::min<std::int64_t>(input.shape.n(), std::ssize(samples_) - first),
                       size = input.shape.count_from(1);
    std::fill_n(input.data, input.count(), 0.0F);
    for (std::int64_t n = 0; n < count; ++n) {
      std::ranges::copy(samples_[static_cast<std::size_t>(first + n)].input, input.data + n * size);
    }
    analyzer_->forward();
    const Tensor<float> scores = analyzer_->scores();
    const std::int64_t classes = scores.shape.c();
    std::vector<int> targets(static_cast<std::size_t>(input.shape.n()), -1);
    for (std::int64_t n = 0; n < count; ++n) {
      const auto index = static_cast<std::size_t>(first + n);
      targets[static_cast<std::size_t>(n)] = target_of(
          a_, samples_[index], index,
          std::span(scores.values)
              .subspan(static_cast<std::size_t>(n * classes), static_cast<std::size_t>(classes)));
    }
    std::vector<float> start;
    if (a_.start != "score") start.assign(targets.size(), std::stof(a_.start));
    analyzer_->run(targets, start);
    const Tensor<float> relevance = analyzer_->input_relevance();
    for (std::int64_t n = 0; n < count; ++n) {
      const Sample& sample = samples_[static_cast<std::size_t>(first + n)];
      const int target = targets[static_cast<std::size_t>(n)];
      const Shape shape(
          std::span<const std::int64_t>(relevance.shape.begin() + 1, relevance.shape.end()));
      write_pictures(a_, sample, {relevance.values.data() + n * shape.count(), shape});
      if (!a_.layers.empty()) write_layers(a_, *analyzer_, sample.name, n);
      images.push_back(image_json(
          *analyzer_, sample.name, target,
          static_cast<double>(scores.values[static_cast<std::size_t>(n * classes + target)]),
          static_cast<std::size_t>(n)));
    }
  }

  const Arguments& a_;
  Model model_;
  int crop_ = 0;
  Shape input_shape_;
  std::vector<Sample> samples_;
  std::unique_ptr<Analyzer> analyzer_;
};

void run(const Arguments& a) {
  require(a.explain || !a.out.empty(), "no --out, expected a folder for the heatmaps");
  Explanation(a).run();
}

}  // namespace

void add_relevance_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c =
      app.add_subcommand("relevance", "relevance maps (LRP): which pixels spoke for a class");
  c->add_option("IMAGE", a->images, "photographs");
  c->add_option("--net", a->net, "net (default: the one in the weights' metadata)");
  c->add_option("--weights", a->weights, "trained weights")->required();
  c->add_option("--mean", a->mean, "mean image (default: the weights' own)");
  c->add_option("--input", a->input, "float32 N x C x H x W array, used as is");
  c->add_option("--data", a->store, "store, with --view");
  c->add_option("--view", a->view, "view of the store");
  c->add_option("--limit", a->limit, "images of the view, 0 = all")
      ->check(CLI::Range(0, 1000000000));
  c->add_option("--rule", a->rule, "epsilon | alpha-beta | z-plus | study | toolbox-N | FILE.json")
      ->capture_default_str();
  c->add_option("--target", a->target, "predicted | label | N | N,N,...")->capture_default_str();
  c->add_option("--eps", a->epsilon, "epsilon (0.1)");
  c->add_option("--beta", a->beta, "beta of alpha-beta; alpha = 1 + beta (1)");
  c->add_option("--lrn", a->lrn, "identity | toolbox | gradient | derivative");
  c->add_option("--max-pooling", a->max_pooling, "winner | average");
  c->add_option("--bias", a->bias, "absorb | ignore | distribute")->capture_default_str();
  c->add_option("--flat-until", a->flat_until,
                "last layer (name or index) of the low part of toolbox-54 to 60, 102, 104, 114");
  c->add_option("--aux-softmax", a->aux_softmax,
                "probabilities of auxiliary heads: inject (toolbox-N) | drop")
      ->check(CLI::IsMember({"inject", "drop"}));
  c->add_flag("--toolbox-group-bias", a->toolbox_group_bias,
              "group 0's biases in every group, as the LRP Toolbox");
  c->add_option("--first", a->first, "layer (name or index) where the walk ends");
  c->add_option("--last", a->last, "layer where it starts (the last inner product)");
  c->add_option("--start-relevance", a->start, "score | X")->capture_default_str();
  c->add_option("--layers", a->layers, "write relevance of inner layers: NAME,... | all");
  c->add_option("--out", a->out, "folder for PNG and .npy files");
  c->add_option("--colormap", a->colormap, "colour map of the heatmaps")->capture_default_str();
  c->add_option("--batch", a->batch, "images at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  c->add_flag("--raw", a->raw, "also NAME.relevance.npy");
  c->add_flag("--explain", a->explain, "print layer -> rule -> implementation and stop");
  c->footer(
      "Example: fovea relevance --weights runs/demo/fold0/iter_500.safetensors face.jpg --out "
      "maps");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
