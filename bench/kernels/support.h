// What the programs of this folder share: their options, the four nets, and timing by a device's
// own clock inside Google Benchmark.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend/engine_choice.h"
#include "engine/graph/graph.h"
#include "kernels/ops/device.h"

namespace fovea {

// --device NAME, --precision fp32|tf32|bf16, --engine ordered|own|library|auto, --nets A,B and
// --warm (caches are left as the run before left them) in front of Google Benchmark's own options.
struct BenchOptions {
  std::string device_name = "cpu";
  Precision precision = Precision::kFp32;
  EngineChoice engine = EngineChoice::kOrdered;
  std::vector<std::string> nets{"adiencenet", "caffenet", "googlenet", "vgg16"};
  bool cold = true;
  std::shared_ptr<Device> device;
};

// Opens the device, has `add` register benchmarks, and runs those that --benchmark_filter picks.
// Returns the exit status; a mistake is one line.
int run_benchmarks(int argc, char** argv, const std::function<void(const BenchOptions&)>& add);

// A net of nets/ at the batch size of the study, with its gradients' shapes.
[[nodiscard]] Graph bench_net(const std::string& name, bool training);

// Registers `work` of `make()`, which is called when the benchmark runs and lives as long. Counters
// GB and GFLOP, per second, where `bytes` and `flop` (of one call) are not 0.
struct BenchWork {
  std::function<void()> work;
  double bytes = 0, flop = 0;
  bool waits =
      false;  // for the device, as it runs: cannot be recorded, and the host's clock counts
};
void add_benchmark(const BenchOptions& options, const std::string& name,
                   std::function<BenchWork()> make);

}  // namespace fovea
