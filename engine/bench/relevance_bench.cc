#include "engine/bench/relevance_bench.h"

#include <cstring>

#include "engine/relevance/places.h"

namespace fovea {
namespace {

// Values of the forward pass and relevance at every bottom and top, weights and bias.
double bytes_of(const Graph& graph, const Node& node) {
  std::int64_t count = 0;
  for (const auto* tensors : {&node.bottoms, &node.tops}) {
    for (const int t : *tensors)
      count += 2 * graph.tensors[static_cast<std::size_t>(t)].shape.count();
  }
  for (const ParamInfo& param : node.params) count += param.shape.count();
  return static_cast<double>(count) * sizeof(float);
}

}  // namespace

std::vector<StepTiming> bench_walk(Analyzer& analyzer, const StepBenchOptions& options) {
  Executor& executor = analyzer.executor();
  const Graph& graph = executor.graph();
  const std::vector<int> targets(static_cast<std::size_t>(analyzer.scores().shape.n()), 0);
  analyzer.run(targets);
  const std::vector<float> before = analyzer.input_relevance().values;
  std::vector<StepTiming> timings;
  analyzer.visit_steps(
      [&](const Node& node, const std::string& how, const std::function<void()>& step) {
        if (options.wanted && !options.wanted(node.name)) return step();
        StepTiming timing = timing_of(executor.device().time(step, options.runs, options.cold));
        timing.step = node.name, timing.op = op_type_name(node.op), timing.pass = "relevance";
        timing.implementation = how, timing.problem = problem_of(graph, node), timing.data = true;
        timing.bytes = bytes_of(graph, node);
        if (is_linear(node.op))
          timing.flop = 4 * static_cast<double>(multiply_accumulates(graph, node));
        if (options.found) options.found(timing);
        timings.push_back(std::move(timing));
      });
  analyzer.run(targets);
  analyzer.visit_steps({});
  analyzer.run(targets);
  const std::vector<float> after = analyzer.input_relevance().values;
  require(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) == 0, "net ",
          graph.name, ": its relevance changed while it was timed, from ", before[0], "... to ",
          after[0], "...");
  return timings;
}

}  // namespace fovea
