#include "engine/graph/execution_memory.h"

#include <algorithm>

#include "engine/graph/arena.h"

namespace fovea {
namespace {

// Lives of storages, in time steps: forward of step s at s, backward of step s at 2 S - 1 - s.
class Lives {
 public:
  Lives(const Plan& plan, const ExecutorOptions& options)
      : plan_(plan),
        options_(options),
        steps_(static_cast<int>(plan.steps.size())),
        end_(2 * steps_),
        values_(static_cast<std::size_t>(plan.storages)),
        grads_(static_cast<std::size_t>(plan.grad_storages)) {}

  void collect(const Graph& graph) {
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) visit(plan_.steps[s], static_cast<int>(s));
    // What the caller fills or reads stays for the whole run.
    for (const int id : graph.inputs) keep(id);
    for (const std::string& blob : options_.keep) keep(graph.find_blob(blob));
    for (std::size_t id = 0; id < graph.tensors.size(); ++id) {
      if (options_.keep_all || graph.tensors[id].consumer < 0) keep(static_cast<int>(id));
    }
  }

  [[nodiscard]] std::vector<Interval> intervals() const {
    std::vector<Interval> all = values_;
    all.insert(all.end(), grads_.begin(), grads_.end());
    return all;
  }

 private:
  static void extend(Interval& life, std::size_t bytes, int time) {
    if (life.bytes == 0) life.first = life.last = time;
    life.bytes = std::max(life.bytes, bytes);
    life.first = std::min(life.first, time);
    life.last = std::max(life.last, time);
  }
  void use_value(int id, int time) {
    const PlannedTensor& t = plan_.tensors[static_cast<std::size_t>(id)];
    extend(values_[static_cast<std::size_t>(t.storage)], bytes_of(t), time);
  }
  void use_grad(int id, int time) {
    const PlannedTensor& t = plan_.tensors[static_cast<std::size_t>(id)];
    if (t.grad_storage >= 0)
      extend(grads_[static_cast<std::size_t>(t.grad_storage)], bytes_of(t), time);
  }
  static std::size_t bytes_of(const PlannedTensor& t) {
    return static_cast<std::size_t>(storage_count(t.shape, t.layout)) * sizeof(float);
  }
  void visit(const PlannedStep& step, int s) {
    const int back = end_ - 1 - s;
    for (const int id : step.bottoms) {
      use_value(id, s);
      if (step.run_backward && step.op && step.op->backward_reads_bottoms()) use_value(id, back);
      if (step.run_backward) use_grad(id, back);
    }
    for (const int id : step.tops) {
      use_value(id, s);
      if (step.run_backward && step.op && step.op->backward_reads_tops()) use_value(id, back);
      if (step.run_backward) use_grad(id, back);
    }
  }
  void keep(int graph_tensor) {
    const int id = plan_.of_graph_tensor[static_cast<std::size_t>(graph_tensor)];
    use_value(id, 0);
    use_value(id, end_);
  }

  const Plan& plan_;
  const ExecutorOptions& options_;
  int steps_, end_;
  std::vector<Interval> values_, grads_;
};

}  // namespace

ExecutionMemory plan_memory(const Graph& graph, const Plan& plan, const ExecutorOptions& options) {
  Lives lives(plan, options);
  lives.collect(graph);
  std::vector<Interval> intervals = lives.intervals();
  const int steps = static_cast<int>(plan.steps.size());
  std::size_t scratch = 0;
  for (int s = 0; s < steps; ++s) {
    const PlannedStep& step = plan.steps[static_cast<std::size_t>(s)];
    const int last = options.training ? 2 * steps - 1 - s : s;
    intervals.push_back({.bytes = step.op ? step.op->state_bytes() : 0, .first = s, .last = last});
    scratch = std::max(scratch, step.op ? step.op->scratch_bytes() : 0);
  }
  intervals.push_back({.bytes = scratch, .first = 0, .last = 2 * steps});
  const ArenaLayout layout = plan_arena(intervals);
  auto at = layout.offsets.begin();
  const auto take = [&](int count) {
    const auto first = at;
    return std::vector<std::size_t>(first, at += count);
  };
  ExecutionMemory memory{.bytes = layout.bytes};
  memory.values = take(plan.storages);
  memory.gradients = take(plan.grad_storages);
  memory.states = take(steps);
  memory.scratch = *at;
  return memory;
}

}  // namespace fovea
