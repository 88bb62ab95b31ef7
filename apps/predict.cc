// `fovea predict`: classes of photographs.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <numeric>

#include "apps/common.h"
#include "apps/resolve.h"
#include "data/image.h"
#include "data/mean.h"
#include "data/resize.h"
#include "data/transform.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"

namespace fovea::apps {
namespace {

struct PredictArguments {
  std::string net, weights, model, mean;
  std::vector<std::string> images;
};

void predict(PredictArguments a) {
  settle_model(a.model, a.weights, a.net, a.mean);
  if (a.weights.empty()) throw CLI::RequiredError("--model or --weights");
  Model model = read_model(a.weights);
  if (!a.mean.empty()) model.mean = read_mean(a.mean);
  const Graph graph = build_graph(model_net(model, a.net, 1));
  Executor executor(prune_to(graph, {graph.nodes.back().tops[0]}), resolve_execution());
  load_all_weights(executor, model.file, model.path);
  const TensorView<float> input = executor.input(graph.tensors[0].blob);
  const int crop = static_cast<int>(input.shape.h());
  const int side = model.mean.shape.rank() == 3 ? static_cast<int>(model.mean.shape[1]) : crop;
  const TransformParams transform{.crop = crop, .mean = model.mean, .scale = model.scale};
  Json images = Json::array();
  for (const std::string& file : a.images) {
    const Image image = resize_bilinear(read_image(file), side, side);
    std::vector<std::uint8_t> planes(image.pixels.size());
    to_planes(image, planes);
    transform_image(planes, Shape{3, side, side}, transform,
                    centre_window(Shape{3, side, side}, crop), input.span());
    executor.forward();
    const std::vector<float> p = executor.tensor(executor.graph().nodes.back().tops[0]).values;
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](auto x, auto y) { return p[x] > p[y]; });
    Json classes = Json::array();
    for (const std::size_t c : order)
      classes.push_back({{"class", class_name(model, static_cast<int>(c))}, {"probability", p[c]}});
    images.push_back({{"image", file}, {"classes", classes}});
  }
  if (common().json) return print_json({{"images", images}});
  for (const Json& image : images) {
    std::cout << image["image"].get<std::string>() << '\n';
    for (const Json& c : image["classes"]) {
      std::cout << "  " << std::left << std::setw(12) << c["class"].get<std::string>() << std::fixed
                << std::setprecision(4) << c["probability"].get<double>() << '\n';
    }
  }
}

}  // namespace

void add_predict_command(CLI::App& app) {
  auto a = std::make_shared<PredictArguments>();
  CLI::App* c = app.add_subcommand("predict", "class names with probabilities");
  c->add_option("IMAGE", a->images, "photographs")->required();
  c->add_option("--model", a->model, "trained model: all that is needed (`fovea model bundle`)");
  c->add_option("--net", a->net, "net (default: the one in the weights' metadata)");
  c->add_option("--weights", a->weights, "instead of --model: trained weights");
  c->add_option("--mean", a->mean, "mean image (default: the weights' own)");
  c->footer("Example: fovea predict --model runs/demo/fold0/iter_500.safetensors face.jpg");
  c->callback([a] { predict(*a); });
}

}  // namespace fovea::apps
