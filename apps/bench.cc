// `fovea bench net`: images per second of a whole net.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "apps/bench_inputs.h"
#include "apps/common.h"
#include "apps/median.h"
#include "apps/resolve.h"
#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"

namespace fovea::apps {
namespace {

struct BenchArguments {
  std::string net, mode = "forward", rule = "toolbox-100";
  std::int64_t batch = 1;
  double seconds = 5;
};

// What is measured: one call of `step` handles one batch, whose images the device already has.
struct Subject {
  std::function<void()> step;
  std::function<Device&()> device;
  std::function<std::size_t()> peak_bytes;
  double flop_per_image = 0;  // 0: not counted
};

// Forward alone, or forward, backward and update.
Subject net_subject(const BenchArguments& a) {
  const bool train = a.mode == "train";
  Graph graph = build_graph(load_net(
      resolve_net(a.net), {.phase = train ? Phase::kTrain : Phase::kDeploy, .batch = a.batch}));
  if (!train) graph = prune_to(graph, {graph.nodes.back().tops[0]});
  const auto is_loss = [](const Node& n) {
    return std::holds_alternative<SoftmaxLossParams>(n.op);
  };
  require(!train || std::ranges::any_of(graph.nodes, is_loss), "no loss in net ", a.net,
          ", expected a softmax_loss layer in the train phase");
  std::int64_t macs = 0;
  for (const Node& node : graph.nodes) macs += multiply_accumulates(graph, node);
  ExecutorOptions execution = resolve_execution();
  execution.training = train;
  const auto executor = std::make_shared<Executor>(std::move(graph), execution);
  fill_params(*executor, common().seed);
  fill_bench_input(*executor);
  executor->forward();
  executor->keep_inputs();
  Subject subject{.step = [executor] { executor->forward(); },
                  .device = [executor]() -> Device& { return executor->device(); },
                  .peak_bytes = [executor] { return executor->peak_bytes(); },
                  .flop_per_image = 2.0 * static_cast<double>(macs) / static_cast<double>(a.batch) *
                                    (train ? 3 : 1)};
  if (train) {
    const auto solver = std::make_shared<Solver>(
        *executor, SolverParams{.base_lr = 1e-6F, .policy = LrPolicy::kFixed});
    subject.step = [executor, solver] { (void)solver->step([](std::int64_t) {}); };
  }
  return subject;
}

// Forward and a whole relevance walk from class 0 of every image.
Subject relevance_subject(const BenchArguments& a) {
  const std::shared_ptr<Analyzer> analyzer = bench_analyzer(a.net, a.batch, a.rule);
  const std::vector<int> targets(static_cast<std::size_t>(a.batch), 0);
  return {.step =
              [analyzer, targets] {
                analyzer->forward();
                analyzer->run(targets);
              },
          .device = [analyzer]() -> Device& { return analyzer->executor().device(); },
          .peak_bytes = [analyzer] { return analyzer->bytes(); }};
}

void bench_net(const BenchArguments& a) {
  using Clock = std::chrono::steady_clock;
  const Subject subject = a.mode == "relevance" ? relevance_subject(a) : net_subject(a);
  subject.step(), subject.step();
  subject.device().synchronize();
  std::vector<double> rates;
  const auto until = Clock::now() + std::chrono::duration<double>(a.seconds);
  while (Clock::now() < until || rates.size() < 3) {
    const auto start = Clock::now();
    subject.step();
    subject.device().synchronize();
    rates.push_back(static_cast<double>(a.batch) /
                    std::chrono::duration<double>(Clock::now() - start).count());
  }
  const double rate = median(rates), flops = rate * subject.flop_per_image;
  Json result = {{"net", a.net},
                 {"mode", a.mode},
                 {"batch", a.batch},
                 {"threads", omp_get_max_threads()},
                 {"device", resolve_device()},
                 {"precision", common().precision},
                 {"engine", common().engine},
                 {"images_per_s", rate},
                 {"images_per_s_min", *std::ranges::min_element(rates)},
                 {"images_per_s_max", *std::ranges::max_element(rates)},
                 {"peak_bytes", subject.peak_bytes()},
                 {"runs", rates.size()}};
  if (a.mode == "relevance") result["rule"] = a.rule;
  std::ostringstream speed;
  if (flops > 0) {
    const double peak = peak_flops(subject.device(), resolve_execution().precision);
    result.update({{"gflop_per_s", flops * 1e-9},
                   {"peak_gflop_per_s", peak * 1e-9},
                   {"share_of_peak", peak > 0 ? flops / peak : 0}});
    speed << std::fixed << std::setprecision(1) << flops * 1e-9 << " GFLOP/s";
    if (peak > 0)
      speed << std::setprecision(0) << " (" << 100 * flops / peak << " % of the peak measured now"
            << (flops > peak ? ": Winograd's form does less than is counted)" : ")");
    speed << ", ";
  }
  if (common().json) return print_json(result);
  std::cout << a.net << ", " << a.mode << (a.mode == "relevance" ? " by " + a.rule : "")
            << ", batch " << a.batch << ", " << common().precision << ", engine " << common().engine
            << ": " << std::fixed << std::setprecision(1) << rate << " images/s ("
            << result["images_per_s_min"].get<double>() << " to "
            << result["images_per_s_max"].get<double>() << "), " << speed.str()
            << subject.peak_bytes() / 1000000 << " MB\n";
}

}  // namespace

void add_bench_commands(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "measure: net, kernels, data; compare");
  bench->require_subcommand(1);
  bench->footer("Example: fovea bench net adiencenet --batch 32 --mode train");
  auto a = std::make_shared<BenchArguments>();
  add_bench_data_command(*bench);
  add_bench_kernels_command(*bench);
  add_bench_compare_command(*bench);
  CLI::App* c = bench->add_subcommand("net", "images per second of a whole net");
  c->add_option("NET", a->net, "name in nets/, .json or .prototxt")->required();
  c->add_option("--batch", a->batch, "images at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  c->add_option("--mode", a->mode,
                "forward | train (forward + backward + update) | relevance (forward + walk)")
      ->check(CLI::IsMember({"forward", "train", "relevance"}))
      ->capture_default_str();
  c->add_option("--rule", a->rule, "rule of --mode relevance")->capture_default_str();
  c->add_option("--seconds", a->seconds, "measuring time")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  c->footer("Example: fovea bench net googlenet --batch 32 --mode train");
  c->callback([a] { bench_net(*a); });
}

}  // namespace fovea::apps
