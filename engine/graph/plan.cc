#include "engine/graph/plan.h"

#include <algorithm>

#include "engine/backend/registry.h"

namespace fovea {
namespace {

bool is_loss(const Node& node) { return std::holds_alternative<SoftmaxLossParams>(node.op); }

// Tensors whose gradient somebody wants: a learnable parameter above them and a loss below them.
std::vector<bool> tensors_with_gradient(const Graph& graph) {
  std::vector<bool> depends_on_params(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    const bool any = !node.params.empty() || std::ranges::any_of(node.bottoms, [&](int t) {
      return depends_on_params[static_cast<std::size_t>(t)];
    });
    for (const int top : node.tops) depends_on_params[static_cast<std::size_t>(top)] = any;
  }
  std::vector<bool> reaches_loss(graph.tensors.size());
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool any = std::ranges::any_of(
        node->tops, [&](int t) { return reaches_loss[static_cast<std::size_t>(t)]; });
    if (is_loss(*node)) {
      reaches_loss[static_cast<std::size_t>(node->bottoms[0])] = true;
    } else {
      for (const int bottom : node->bottoms) reaches_loss[static_cast<std::size_t>(bottom)] = any;
    }
  }
  std::vector<bool> both(graph.tensors.size());
  for (std::size_t t = 0; t < both.size(); ++t) both[t] = depends_on_params[t] && reaches_loss[t];
  return both;
}

// The ReLU that the implementation of `node` can apply while it writes its output, or null.
const Node* fusable_relu(const Graph& graph, const Node& node) {
  const bool linear = std::holds_alternative<ConvolutionParams>(node.op) ||
                      std::holds_alternative<InnerProductParams>(node.op);
  if (!linear) return nullptr;
  const int consumer = graph.tensors[static_cast<std::size_t>(node.tops[0])].consumer;
  if (consumer < 0) return nullptr;
  const Node& next = graph.nodes[static_cast<std::size_t>(consumer)];
  return std::holds_alternative<ReluParams>(next.op) ? &next : nullptr;
}

class Planner {
 public:
  Planner(const Graph& graph, const ExecutorOptions& options)
      : graph_(graph), options_(options), with_gradient_(graph.tensors.size()) {
    if (options.training) with_gradient_ = tensors_with_gradient(graph);
    plan_.of_graph_tensor.assign(graph.tensors.size(), -1);
  }

  Plan run() && {
    for (const int input : graph_.inputs) add_graph_tensor(input, Layout::kPlain);
    std::vector<bool> fused(graph_.nodes.size());
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (fused[i]) continue;
      const Node* relu = fusable_relu(graph_, graph_.nodes[i]);
      if (relu) fused[static_cast<std::size_t>(relu - graph_.nodes.data())] = true;
      add_step(static_cast<int>(i), relu);
    }
    share_storage();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool has_gradient(int graph_tensor) const {
    return with_gradient_[static_cast<std::size_t>(graph_tensor)];
  }
  PlannedTensor& planned(int id) { return plan_.tensors[static_cast<std::size_t>(id)]; }

  int add_tensor(const Shape& shape, Layout layout, bool gradient) {
    plan_.tensors.push_back({.shape = shape,
                             .layout = layout,
                             .storage = plan_.storages++,
                             .grad_storage = gradient ? plan_.grad_storages++ : -1});
    return static_cast<int>(plan_.tensors.size()) - 1;
  }
  int add_graph_tensor(int id, Layout layout) {
    return plan_.of_graph_tensor[static_cast<std::size_t>(id)] = add_tensor(
               graph_.tensors[static_cast<std::size_t>(id)].shape, layout, has_gradient(id));
  }

  OpProblem problem_of(int index, const Node* relu) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    OpProblem problem{.params = node.op,
                      .training = options_.training,
                      .seed = options_.seed,
                      .layer = static_cast<std::uint64_t>(index)};
    for (const int bottom : node.bottoms) {
      const PlannedTensor& tensor =
          planned(plan_.of_graph_tensor[static_cast<std::size_t>(bottom)]);
      problem.bottoms.push_back(tensor.shape);
      problem.bottom_layouts.push_back(tensor.layout);
      problem.propagate.push_back(has_gradient(bottom));
    }
    for (const int top : node.tops)
      problem.tops.push_back(graph_.tensors[static_cast<std::size_t>(top)].shape);
    if (relu) {
      problem.fused_relu = true;
      problem.relu_slope = std::get<ReluParams>(relu->op).slope;
    }
    return problem;
  }

  // `tensor` in `layout`: itself, or a copy made by a new step.
  int in_layout(int tensor, Layout layout, const std::string& name) {
    if (planned(tensor).layout == layout) return tensor;
    const int copy = add_tensor(planned(tensor).shape, layout, planned(tensor).grad_storage >= 0);
    plan_.steps.push_back({.label = name + " -> " + std::string(layout_name(layout)),
                           .node = -1,
                           .op = nullptr,
                           .implementation = "reorder",
                           .bottoms = {tensor},
                           .tops = {copy},
                           .run_backward = planned(tensor).grad_storage >= 0});
    return copy;
  }

  void add_step(int index, const Node* relu) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    ChosenOp chosen = create_op(options_.device, problem_of(index, relu));
    PlannedStep step{.label = node.name,
                     .node = index,
                     .op = std::move(chosen.op),
                     .implementation = chosen.implementation,
                     .bottoms = {},
                     .tops = {},
                     .run_backward = options_.training && is_loss(node)};
    for (std::size_t i = 0; i < node.bottoms.size(); ++i) {
      const int tensor = plan_.of_graph_tensor[static_cast<std::size_t>(node.bottoms[i])];
      step.bottoms.push_back(in_layout(tensor, step.op->bottom_layout(i), node.name));
    }
    const std::vector<int>& tops = relu ? relu->tops : node.tops;
    if (relu) step.label += "+" + relu->name;
    for (std::size_t i = 0; i < tops.size(); ++i) {
      step.tops.push_back(add_graph_tensor(tops[i], step.op->top_layout(i)));
      step.run_backward |= has_gradient(tops[i]);
    }
    if (relu) plan_.of_graph_tensor[static_cast<std::size_t>(node.tops[0])] = step.tops[0];
    plan_.steps.push_back(std::move(step));
  }

  // Aliases always share; in-place operations share where nobody reads the old value any more.
  void share_storage() {
    std::vector<const PlannedStep*> producer(plan_.tensors.size());
    std::vector<bool> aliased(plan_.tensors.size());  // other tensors show the same memory
    for (const PlannedStep& step : plan_.steps) {
      for (const int top : step.tops) producer[static_cast<std::size_t>(top)] = &step;
      if (!step.op) continue;
      const int bottom = step.bottoms[0];
      if (step.op->is_alias()) {
        for (const int top : step.tops) {
          planned(top).storage = planned(bottom).storage;
          aliased[static_cast<std::size_t>(top)] = true;
        }
      } else if (step.op->in_place() &&
                 may_overwrite(step, producer[static_cast<std::size_t>(bottom)]) &&
                 !aliased[static_cast<std::size_t>(bottom)]) {
        planned(step.tops[0]).storage = planned(bottom).storage;
      }
    }
    // A gradient dies with the step that reads it, so sharing it needs no more than the operation's
    // consent.
    for (auto step = plan_.steps.rbegin(); step != plan_.steps.rend(); ++step) {
      if (!step->op || !step->op->in_place()) continue;
      PlannedTensor& bottom = planned(step->bottoms[0]);
      const PlannedTensor& top = planned(step->tops[0]);
      if (bottom.grad_storage >= 0 && top.grad_storage >= 0) bottom.grad_storage = top.grad_storage;
    }
  }

  [[nodiscard]] bool may_overwrite(const PlannedStep& step, const PlannedStep* producer) const {
    if (!producer) return false;  // a net input belongs to the caller
    if (!options_.training) return true;
    return !step.op->backward_reads_bottoms() &&
           !(producer->op && producer->op->backward_reads_tops());
  }

  const Graph& graph_;
  const ExecutorOptions& options_;
  std::vector<bool> with_gradient_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const Graph& graph, const ExecutorOptions& options) {
  return Planner(graph, options).run();
}

}  // namespace fovea
