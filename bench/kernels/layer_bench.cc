// Forward and backward time of every planned step of the four nets, with the implementation that
// the registry chooses, at the batch sizes of the study. Filters pick what runs:
//   fovea_layer_bench --benchmark_filter='caffenet/train/fc6'
// Names: <net>/<train|test><batch>/<step>/<implementation>/<forward|backward>. Counters: GMAC/s of
// linear layers. Values are random; the operations' speed does not depend on them.
#include <benchmark/benchmark.h>

#include <iostream>

#include "engine/core/buffer.h"
#include "engine/core/random.h"
#include "engine/graph/plan.h"

namespace fovea {
namespace {

struct Run {
  const char* net;
  int batch;
  bool training;
};
constexpr Run kRuns[] = {
    {"adiencenet", 50, true}, {"caffenet", 50, true},   {"googlenet", 32, true},
    {"vgg16", 10, true},      {"adiencenet", 1, false}, {"caffenet", 1, false},
    {"googlenet", 1, false},  {"vgg16", 1, false},      {"adiencenet", 32, false},
    {"caffenet", 32, false},  {"googlenet", 32, false}, {"vgg16", 32, false}};

// Owns what one step touches.
class Bound {
 public:
  Bound(const Graph& graph, const Plan& plan, const PlannedStep& step) : step_(step) {
    OpBinding binding;
    for (const int id : step.bottoms) {
      binding.bottoms.push_back(tensor(plan, id));
      binding.bottom_grads.push_back(gradient(plan, id));
    }
    for (const int id : step.tops) {
      binding.tops.push_back(step.op->is_alias() ? binding.bottoms[0] : tensor(plan, id));
      binding.top_grads.push_back(gradient(plan, id));
    }
    const Node& node = graph.nodes[static_cast<std::size_t>(step.node)];
    for (std::size_t slot = 0; slot < node.params.size(); ++slot) {
      const auto count = static_cast<std::size_t>(step.op->param_storage(slot));
      binding.params.push_back(memory(count));
      binding.param_grads.push_back(memory(count));
    }
    binding.state = reinterpret_cast<std::byte*>(memory(step.op->state_bytes() / 4 + 1));
    binding.scratch = reinterpret_cast<std::byte*>(memory(step.op->scratch_bytes() / 4 + 1));
    step.op->bind(binding);
    step.op->params_changed();
  }
  [[nodiscard]] Op& op() const { return *step_.op; }

 private:
  float* memory(std::size_t floats) {
    Buffer<float>& buffer = buffers_.emplace_back(floats);
    for (std::size_t i = 0; i < floats; ++i)
      buffer.data()[i] = static_cast<float>(i * 2654435761U % 1024) / 1024.0F - 0.3F;
    return buffer.data();
  }
  OpTensor tensor(const Plan& plan, int id) {
    const PlannedTensor& t = plan.tensors[static_cast<std::size_t>(id)];
    return {memory(static_cast<std::size_t>(storage_count(t.shape, t.layout))), t.shape, t.layout};
  }
  OpTensor gradient(const Plan& plan, int id) {
    const PlannedTensor& t = plan.tensors[static_cast<std::size_t>(id)];
    return t.grad_storage < 0 ? OpTensor{nullptr, t.shape, t.layout} : tensor(plan, id);
  }

  const PlannedStep& step_;
  std::vector<Buffer<float>> buffers_;
};

struct Planned {
  Graph graph;
  Plan plan;
};

bool is_benched(const Planned& planned, const PlannedStep& step) {
  if (!step.op || step.op->is_alias()) return false;
  const OpParams& op = planned.graph.nodes[static_cast<std::size_t>(step.node)].op;
  return !std::holds_alternative<SoftmaxLossParams>(op) &&
         !std::holds_alternative<AccuracyParams>(op);
}

void add(const std::shared_ptr<Planned>& planned, const PlannedStep& step, const std::string& name,
         bool backward) {
  const double macs = static_cast<double>(multiply_accumulates(
      planned->graph, planned->graph.nodes[static_cast<std::size_t>(step.node)]));
  benchmark::RegisterBenchmark(
      name.c_str(),
      [planned, &step, backward, macs](benchmark::State& state) {
        const Bound bound(planned->graph, planned->plan, step);
        std::uint64_t iteration = 0;
        bound.op().forward(iteration);
        for ([[maybe_unused]] auto _ : state) {
          backward ? bound.op().backward(iteration) : bound.op().forward(iteration);
        }
        if (macs > 0) {
          state.counters["GMAC/s"] = benchmark::Counter(
              1e-9 * macs * (backward ? 2 : 1), benchmark::Counter::kIsIterationInvariantRate);
        }
      })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

void add_net(const Run& run) {
  const std::string file = str(FOVEA_SOURCE_DIR, "/nets/", run.net, ".json");
  NetOptions options{.batch = run.batch};
  options.phase = run.training ? Phase::kTrain : Phase::kDeploy;
  auto planned = std::make_shared<Planned>();
  planned->graph = build_graph(load_net(file, options));
  planned->plan = make_plan(planned->graph, {.training = run.training});
  for (const PlannedStep& step : planned->plan.steps) {
    if (!is_benched(*planned, step)) continue;
    const std::string name = str(run.net, "/", run.training ? "train" : "test", run.batch, "/",
                                 step.label, "/", step.implementation);
    add(planned, step, name + "/forward", false);
    if (step.run_backward) add(planned, step, name + "/backward", true);
  }
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  for (const fovea::Run& run : fovea::kRuns) fovea::add_net(run);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
