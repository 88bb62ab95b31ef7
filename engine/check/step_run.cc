#include "engine/check/step_run.h"

#include <chrono>

#include "engine/core/buffer.h"
#include "engine/relevance/walk_report.h"

namespace fovea {

void run_step(RelevanceStep& step, Device& memory, RelevanceBinding binding,
              std::span<const Tensor<float>> params, double& seconds, std::string& implementation) {
  using Clock = std::chrono::steady_clock;
  const DeviceBuffer<std::byte> scratch(memory, step.scratch_bytes());
  binding.scratch = scratch.data();
  step.bind(binding);
  if (!params.empty())
    step.set_params(params[0].values, params.size() > 1 ? std::span<const float>(params[1].values)
                                                        : std::span<const float>());
  WalkReport report(memory, static_cast<std::size_t>(binding.values[0].shape.n()), 1, 0);
  report.clear();
  memory.synchronize();
  const auto start = Clock::now();
  step.run({.absorbed = report.absorbed(0)});
  memory.synchronize();
  seconds = std::chrono::duration<double>(Clock::now() - start).count();
  implementation = step.describe();
}

}  // namespace fovea
