// `fovea predict`: classes of photographs. `fovea devices`: what this build computes on. `fovea
// bench net`.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <optional>

#include "apps/common.h"
#include "apps/resolve.h"
#include "data/image.h"
#include "data/mean.h"
#include "data/resize.h"
#include "data/transform.h"
#include "engine/backend/registry.h"
#include "engine/io/weights.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"

namespace fovea::apps {
namespace {

struct PredictArguments {
  std::string net, weights, mean;
  std::vector<std::string> images;
};

void predict(const PredictArguments& a) {
  Model model = read_model(a.weights);
  if (!a.mean.empty()) model.mean = read_mean(a.mean);
  const Graph graph = build_graph(model_net(model, a.net, 1));
  Executor executor(prune_to(graph, {graph.nodes.back().tops[0]}), {.device = resolve_device()});
  load_all_weights(executor, a.weights);
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
      classes.push_back(
          {{"class", c < model.classes.size() ? model.classes[c] : str(c)}, {"probability", p[c]}});
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

void devices() {
  Json list = Json::array();
  for (const std::string_view device : known_devices()) {
    list.push_back({{"name", device},
                    {"threads", device == "cpu" ? omp_get_max_threads() : 1},
                    {"precisions", {"fp32"}},
                    {"about", device == "cpu" ? "oneDNN and own vectorised operations"
                                              : "plain loops in double, for checking"}});
  }
  if (common().json) return print_json({{"devices", list}});
  for (const Json& d : list)
    std::cout << std::left << std::setw(12) << d["name"].get<std::string>()
              << d["about"].get<std::string>() << '\n';
}

struct BenchArguments {
  std::string net, mode = "forward";
  std::int64_t batch = 1;
  double seconds = 5;
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

void bench_net(const BenchArguments& a) {
  using Clock = std::chrono::steady_clock;
  const bool train = a.mode == "train";
  Graph graph = build_graph(load_net(
      resolve_net(a.net), {.phase = train ? Phase::kTrain : Phase::kDeploy, .batch = a.batch}));
  if (!train) graph = prune_to(graph, {graph.nodes.back().tops[0]});
  std::int64_t macs = 0;
  for (const Node& node : graph.nodes) macs += multiply_accumulates(graph, node);
  Executor executor(std::move(graph), {.device = resolve_device(), .training = train});
  fill_params(executor, common().seed);
  const TensorView<float> x = executor.input("data");
  for (std::int64_t i = 0; i < x.count(); ++i)
    x.data[i] = static_cast<float>(i * 31 % 255) - 127.0F;
  std::optional<Solver> solver;
  if (train) solver.emplace(executor, SolverParams{.base_lr = 1e-6F, .policy = LrPolicy::kFixed});
  const auto step = [&] {
    if (solver) {
      (void)solver->step([](std::int64_t) {});
    } else {
      executor.forward();
    }
  };
  step(), step();
  std::vector<double> rates;
  const auto until = Clock::now() + std::chrono::duration<double>(a.seconds);
  while (Clock::now() < until || rates.size() < 3) {
    const auto start = Clock::now();
    step();
    rates.push_back(static_cast<double>(a.batch) /
                    std::chrono::duration<double>(Clock::now() - start).count());
  }
  const double rate = median(rates);
  const double flop_per_image =
      2.0 * static_cast<double>(macs) / static_cast<double>(a.batch) * (train ? 3 : 1);
  const Json result = {{"net", a.net},
                       {"mode", a.mode},
                       {"batch", a.batch},
                       {"threads", omp_get_max_threads()},
                       {"device", resolve_device()},
                       {"images_per_s", rate},
                       {"images_per_s_min", *std::ranges::min_element(rates)},
                       {"images_per_s_max", *std::ranges::max_element(rates)},
                       {"gflop_per_s", rate * flop_per_image * 1e-9},
                       {"peak_bytes", executor.peak_bytes()},
                       {"runs", rates.size()}};
  if (common().json) return print_json(result);
  std::cout << a.net << ", " << a.mode << ", batch " << a.batch << ": " << std::fixed
            << std::setprecision(1) << rate << " images/s ("
            << result["images_per_s_min"].get<double>() << " to "
            << result["images_per_s_max"].get<double>() << "), " << rate * flop_per_image * 1e-9
            << " GFLOP/s, " << executor.peak_bytes() / 1000000 << " MB\n";
}

}  // namespace

void add_predict_command(CLI::App& app) {
  auto a = std::make_shared<PredictArguments>();
  CLI::App* c = app.add_subcommand("predict", "class names with probabilities");
  c->add_option("IMAGE", a->images, "photographs")->required();
  c->add_option("--net", a->net, "net (default: the one in the weights' metadata)");
  c->add_option("--weights,--model", a->weights, "trained weights")->required();
  c->add_option("--mean", a->mean, "mean image (default: the weights' own)");
  c->footer("Example: fovea predict --model runs/demo/fold0/iter_500.safetensors face.jpg");
  c->callback([a] { predict(*a); });
}

void add_devices_command(CLI::App& app) {
  app.add_subcommand("devices", "what this build computes on")->callback([] { devices(); });
}

void add_bench_commands(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "measure: net");
  bench->require_subcommand(1);
  auto a = std::make_shared<BenchArguments>();
  CLI::App* c = bench->add_subcommand("net", "images per second of a whole net");
  c->add_option("NET", a->net, "name in nets/, .json or .prototxt")->required();
  c->add_option("--batch", a->batch, "images at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  c->add_option("--mode", a->mode, "forward | train (forward + backward + update)")
      ->check(CLI::IsMember({"forward", "train"}))
      ->capture_default_str();
  c->add_option("--seconds", a->seconds, "measuring time")->capture_default_str();
  c->footer("Example: fovea bench net googlenet --batch 32 --mode train");
  c->callback([a] { bench_net(*a); });
}

}  // namespace fovea::apps
