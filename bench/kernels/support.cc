#include "bench/kernels/support.h"

#include <chrono>
#include <iostream>

#include "engine/backend/registry.h"
#include "engine/bench/step_bench.h"
#include "engine/core/json_fields.h"
#include "engine/core/split_list.h"

namespace fovea {
namespace {

// Takes our own options out of the command line.
BenchOptions read_options(int& argc, char** argv) {
  BenchOptions options;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--warm") {
      options.cold = false;
      continue;
    }
    const bool ours =
        word == "--device" || word == "--precision" || word == "--engine" || word == "--nets";
    if (!ours) {
      argv[kept++] = argv[i];
      continue;
    }
    require(i + 1 < argc, "missing value of ", word);
    const std::string value = argv[++i];
    if (word == "--device") options.device_name = value;
    if (word == "--precision") read_json(Json(value), options.precision, "--precision");
    if (word == "--engine") read_json(Json(value), options.engine, "--engine");
    if (word == "--nets") options.nets = split_list(value);
  }
  argc = kept;
  return options;
}

// As Device::time() does it, by the host's clock.
std::vector<double> time_by_host(Device& device, const std::function<void()>& work, int runs) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (int run = -1; run < runs; ++run) {  // one that is not counted
    device.synchronize();
    const auto start = Clock::now();
    work();
    device.synchronize();
    if (run >= 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return seconds;
}

}  // namespace

int run_benchmarks(int argc, char** argv, const std::function<void(const BenchOptions&)>& add) {
  try {
    BenchOptions options = read_options(argc, argv);
    options.device = open_device(options.device_name);
    require_precision(options.device_name, options.precision);
    benchmark::AddCustomContext("device", options.device->description());
    benchmark::AddCustomContext("libraries", library_version(options.device_name));
    benchmark::AddCustomContext("precision", std::string(enum_name(options.precision)));
    add(options);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::ClearRegisteredBenchmarks();
    return 0;
  } catch (const Error& error) {
    std::cerr << argv[0] << ": error: " << error.what() << '\n';
    return 1;
  }
}

Graph bench_net(const std::string& name, bool training) {
  return build_graph(
      load_net(str(FOVEA_SOURCE_DIR, "/nets/", name, ".json"),
               {.phase = training ? Phase::kTrain : Phase::kDeploy, .batch = study_batch(name)}));
}

void add_benchmark(const BenchOptions& options, const std::string& name,
                   std::function<BenchWork()> make) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [options, make = std::move(make)](benchmark::State& state) {
        const BenchWork bench = make();
        const int runs = static_cast<int>(state.max_iterations);
        const std::vector<double> seconds =
            bench.waits ? time_by_host(*options.device, bench.work, runs)
                        : options.device->time(bench.work, runs, options.cold);
        auto next = seconds.begin();
        for ([[maybe_unused]] auto _ : state) state.SetIterationTime(*next++);
        constexpr auto kRate = benchmark::Counter::kIsIterationInvariantRate;
        if (bench.bytes > 0) state.counters["GB"] = {1e-9 * bench.bytes, kRate};
        if (bench.flop > 0) state.counters["GFLOP"] = {1e-9 * bench.flop, kRate};
      })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace fovea
