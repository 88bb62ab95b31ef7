// `fovea bench net`: images per second of a whole net.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <optional>

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"
#include "kernels/cpu/peak.h"

namespace fovea::apps {
namespace {

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
  ExecutorOptions execution = resolve_execution();
  execution.training = train;
  Executor executor(std::move(graph), execution);
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
  const double rate = median(rates), peak = cpu::measure_peak_flops();
  const double flop_per_image =
      2.0 * static_cast<double>(macs) / static_cast<double>(a.batch) * (train ? 3 : 1);
  const Json result = {{"net", a.net},
                       {"mode", a.mode},
                       {"batch", a.batch},
                       {"threads", omp_get_max_threads()},
                       {"device", execution.device},
                       {"precision", common().precision},
                       {"engine", common().engine},
                       {"images_per_s", rate},
                       {"images_per_s_min", *std::ranges::min_element(rates)},
                       {"images_per_s_max", *std::ranges::max_element(rates)},
                       {"gflop_per_s", rate * flop_per_image * 1e-9},
                       {"peak_gflop_per_s", peak * 1e-9},
                       {"share_of_peak", rate * flop_per_image / peak},
                       {"peak_bytes", executor.peak_bytes()},
                       {"runs", rates.size()}};
  if (common().json) return print_json(result);
  std::cout << a.net << ", " << a.mode << ", batch " << a.batch << ", " << common().precision
            << ", engine " << common().engine << ": " << std::fixed << std::setprecision(1) << rate
            << " images/s (" << result["images_per_s_min"].get<double>() << " to "
            << result["images_per_s_max"].get<double>() << "), " << rate * flop_per_image * 1e-9
            << " GFLOP/s (" << std::setprecision(0) << 100 * rate * flop_per_image / peak
            << " % of the peak measured now), " << executor.peak_bytes() / 1000000 << " MB\n";
}

}  // namespace

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
