// `fovea predict`: classes of photographs.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <optional>
#include <span>

#include "apps/common.h"
#include "apps/net_input.h"
#include "apps/resolve.h"
#include "data/mean.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"

namespace fovea::apps {
namespace {

struct PredictArguments {
  std::string net, weights, model, mean, store, view;
  std::vector<std::string> images;
  int limit = 0;
};

// A model's net for one image at a time.
class Predictor {
 public:
  Predictor(Model model, const std::string& net)
      : model_(std::move(model)),
        execution_(resolve_execution()),
        executor_(main_output(build_graph(model_net(model_, net, 1))), execution_),
        input_(executor_.input(executor_.graph().tensors[0].blob)),
        transform_{.crop = static_cast<int>(input_.shape.h()),
                   .mean = model_.mean,
                   .scale = model_.scale} {
    load_all_weights(executor_, model_.file, model_.path);
  }
  [[nodiscard]] const ExecutorOptions& execution() const { return execution_; }

  Json of_file(const std::string& file) {
    const Image image = fitting_photograph(file, transform_, static_cast<int>(input_.shape.c()));
    fill_input(image, transform_, input_.span());
    return {{"image", file}, {"classes", classes()}};
  }

  Json of_record(const Store& store, const View& view, std::uint32_t record) {
    const Shape& s = input_.shape;
    fill_input(store, record, {s.c(), s.h(), s.w()}, transform_, input_.span());
    Json result = {{"image", store.record(record).source}, {"record", record}};
    if (view.target >= 0) {
      const LabelColumn& column = store.columns()[static_cast<std::size_t>(view.target)];
      if (const int label = column.values[record]; label >= 0)
        result["label"] = column.classes[static_cast<std::size_t>(label)];
    }
    result["classes"] = classes();
    return result;
  }

 private:
  static Graph main_output(const Graph& graph) {
    return prune_to(graph, {graph.nodes.back().tops[0]});
  }

  // Of the image in the net's input, the most probable first.
  Json classes() {
    executor_.forward();
    const std::vector<float> p = executor_.tensor(executor_.graph().nodes.back().tops[0]).values;
    std::vector<std::size_t> order(p.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](auto x, auto y) { return p[x] > p[y]; });
    Json list = Json::array();
    for (const std::size_t c : order)
      list.push_back({{"class", class_name(model_, static_cast<int>(c))}, {"probability", p[c]}});
    return list;
  }

  Model model_;
  ExecutorOptions execution_;
  Executor executor_;
  TensorView<float> input_;
  TransformParams transform_;
};

void print_images(const Json& images) {
  for (const Json& image : images) {
    std::cout << image["image"].get<std::string>();
    if (image.contains("record")) std::cout << " (record " << image["record"] << ')';
    if (image.contains("label")) std::cout << ", labelled " << image["label"].get<std::string>();
    std::cout << '\n';
    for (const Json& c : image["classes"]) {
      std::cout << "  " << std::left << std::setw(12) << c["class"].get<std::string>() << std::fixed
                << std::setprecision(4) << c["probability"].get<double>() << '\n';
    }
  }
}

void predict(PredictArguments a) {
  std::optional<Model> model = settle_model(a.model, a.weights, a.net, a.mean);
  if (a.weights.empty()) throw CLI::RequiredError("--model or --weights");
  if (a.images.empty() && a.store.empty()) throw CLI::RequiredError("IMAGE, or --data with --view");
  if (!model) model = read_model(a.weights);
  if (!a.mean.empty()) model->mean = read_mean(a.mean);
  Predictor predictor(std::move(*model), a.net);
  Json images = Json::array();
  for (const std::string& file : a.images) images.push_back(predictor.of_file(file));
  if (!a.store.empty()) {
    const Store store(a.store);
    const View& view = store.view(a.view);
    std::span<const std::uint32_t> records = view.records;
    if (a.limit > 0) records = records.first(std::min<std::size_t>(records.size(), a.limit));
    for (const std::uint32_t record : records)
      images.push_back(predictor.of_record(store, view, record));
  }
  talk_execution(predictor.execution());
  common().json ? print_json({{"images", images}}) : print_images(images);
}

}  // namespace

void add_predict_command(CLI::App& app) {
  auto a = std::make_shared<PredictArguments>();
  CLI::App* c = app.add_subcommand("predict", "class names with probabilities");
  c->add_option("IMAGE", a->images, "photographs");
  c->add_option("--model", a->model, "trained model: all that is needed (`fovea model bundle`)");
  c->add_option("--net", a->net, "net (default: the one in the weights' metadata)");
  c->add_option("--weights", a->weights, "instead of --model: trained weights");
  c->add_option("--mean", a->mean, "mean image (default: the weights' own)");
  CLI::Option* store = c->add_option("--data", a->store, "store, with --view: its records");
  store->needs(c->add_option("--view", a->view, "view of the store")->needs(store));
  c->add_option("--limit", a->limit, "records of the view, 0 = all")
      ->check(CLI::Range(0, 1000000000))
      ->needs(store);
  c->footer("Example: fovea predict --model runs/demo/fold0/iter_500.safetensors face.jpg");
  c->callback([a] { predict(*a); });
}

}  // namespace fovea::apps
