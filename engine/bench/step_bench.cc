#include "engine/bench/step_bench.h"

#include <algorithm>
#include <cstring>

#include "engine/backend/registry.h"

namespace fovea {
namespace {

class StepBench {
 public:
  StepBench(Executor& executor, const StepBenchOptions& options)
      : executor_(executor), options_(options), steps_(executor.steps()) {}

  std::vector<StepTiming> run() {
    const bool training = executor_.training();
    executor_.forward();
    if (training) executor_.backward();
    executor_.keep_inputs();
    const int last = executor_.graph().nodes.back().tops[0];
    const std::vector<float> before = executor_.tensor(last).values;
    // In order, each repeated at its place: what a step reads is there only as long as the plan
    // needs it.
    for (std::size_t s = 0; s < steps_.size(); ++s)
      time(s, "forward", [&] { executor_.forward_step(s); });
    for (std::size_t s = steps_.size(); training && s-- > 0;) {
      if (steps_[s].backward) time(s, "backward", [&] { executor_.backward_step(s); });
    }
    executor_.forward();
    const std::vector<float> after = executor_.tensor(last).values;
    require(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) == 0, "net ",
            executor_.graph().name, ": its result changed while it was timed, from ", before[0],
            "... to ", after[0], "...");
    return std::move(timings_);
  }

 private:
  void time(std::size_t s, const char* pass, const std::function<void()>& work) {
    const StepInfo& step = steps_[s];
    if (step.alias) return;
    if (options_.wanted && !options_.wanted(step.label)) return work();
    StepTiming timing = timing_of(executor_.device().time(work, options_.runs, options_.cold));
    const bool forward = std::string_view(pass) == "forward";
    timing.step = step.label, timing.op = "reorder", timing.pass = pass;
    timing.implementation = step.implementation;
    timing.bytes = forward ? step.forward_bytes : step.backward_bytes;
    for (const int index : step.nodes) {
      const Graph& graph = executor_.graph();
      const Node& node = graph.nodes[static_cast<std::size_t>(index)];
      const bool data = graph.tensors[static_cast<std::size_t>(node.bottoms[0])].producer >= 0;
      timing.op = op_type_name(node.op);
      timing.problem += (timing.problem.empty() ? "" : " & ") + problem_of(graph, node);
      timing.data = data;
      timing.flop +=
          2 * static_cast<double>(multiply_accumulates(graph, node)) * (forward || !data ? 1 : 2);
    }
    if (options_.found) options_.found(timing);
    timings_.push_back(std::move(timing));
  }

  Executor& executor_;
  const StepBenchOptions& options_;
  std::vector<StepInfo> steps_;
  std::vector<StepTiming> timings_;
};

}  // namespace

StepTiming timing_of(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  return {
      .median_s = seconds[seconds.size() / 2], .min_s = seconds.front(), .max_s = seconds.back()};
}

std::string problem_of(const Graph& graph, const Node& node) {
  const Shape& x = graph.tensors[static_cast<std::size_t>(node.bottoms[0])].shape;
  if (const auto* p = std::get_if<ConvolutionParams>(&node.op))
    return str(x.n(), " ", x.c(), " ", x.h(), " ", x.w(), "  ", p->outputs, " ", p->kernel[0], " ",
               p->kernel[1], "  ", p->stride[0], " ", p->stride[1], "  ", p->pad[0], " ", p->pad[1],
               "  ", p->groups);
  if (const auto* p = std::get_if<InnerProductParams>(&node.op))
    return str(x.n(), " ", x.count_from(1), " 1 1  ", p->outputs, " 1 1  1 1  0 0  1");
  return "";
}

std::int64_t study_batch(const std::string& net) {
  if (net == "googlenet") return 32;
  return net == "vgg16" ? 10 : 50;
}

DevicePeaks measure_peaks(Device& device, Precision precision) {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  const DeviceBuffer<std::byte> from(device, kBytes), to(device, kBytes);
  const std::vector<double> seconds =
      device.time([&] { device.copy(to.data(), from.data(), kBytes); }, 7, /*cold=*/false);
  return {.copy_bytes_per_s = 2.0 * kBytes / *std::ranges::min_element(seconds),
          .flop_per_s = peak_flops(device, precision)};
}

std::vector<StepTiming> bench_steps(Executor& executor, const StepBenchOptions& options) {
  return StepBench(executor, options).run();
}

}  // namespace fovea
