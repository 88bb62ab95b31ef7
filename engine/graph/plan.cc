#include "engine/graph/plan.h"

#include <algorithm>
#include <map>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/graph/fusion.h"
#include "engine/graph/sharing.h"

namespace fovea {
namespace {

bool is_loss(const Node& node) { return std::holds_alternative<SoftmaxLossParams>(node.op); }

bool learns(const Node& node) {
  return std::ranges::any_of(node.params, [](const ParamInfo& p) { return p.lr_mult != 0; });
}

// Tensors whose gradient somebody wants: a parameter that learns above them and a loss below them.
std::vector<bool> tensors_with_gradient(const Graph& graph) {
  std::vector<bool> depends_on_params(graph.tensors.size());
  for (const Node& node : graph.nodes) {
    const bool any = learns(node) || std::ranges::any_of(node.bottoms, [&](int t) {
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

class Planner {
 public:
  Planner(const Graph& graph, const ExecutorOptions& options)
      : graph_(graph), options_(options), with_gradient_(graph.tensors.size()) {
    if (options.training) with_gradient_ = tensors_with_gradient(graph);
    plan_.of_graph_tensor.assign(graph.tensors.size(), -1);
  }

  Plan run() && {
    for (const int input : graph_.inputs) add_graph_tensor(input, Layout::kPlain);
    planned_.assign(graph_.nodes.size(), false);
    for (int i = 0; i < std::ssize(graph_.nodes); ++i) {
      if (planned_[static_cast<std::size_t>(i)]) continue;
      if (std::holds_alternative<SplitParams>(node(i).op)) {
        add_split(i);
      } else if (const auto siblings = siblings_.find(i); siblings != siblings_.end()) {
        add_siblings(std::move(siblings->second));
      } else {
        add_step({i}, create_op(options_.device, problem_of(i), options_.engine), node(i).bottoms,
                 node(i).tops);
      }
    }
    share_storage(plan_, options_);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool has_gradient(int graph_tensor) const {
    return with_gradient_[static_cast<std::size_t>(graph_tensor)];
  }
  [[nodiscard]] const Node& node(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }
  PlannedTensor& planned(int id) { return plan_.tensors[static_cast<std::size_t>(id)]; }
  // The planned tensor that carries the value of one of the graph's.
  int& carrier(int graph_tensor) {
    return plan_.of_graph_tensor[static_cast<std::size_t>(graph_tensor)];
  }

  int add_tensor(const Shape& shape, Layout layout, bool gradient) {
    plan_.tensors.push_back({.shape = shape,
                             .layout = layout,
                             .storage = plan_.storages++,
                             .grad_storage = gradient ? plan_.grad_storages++ : -1});
    return static_cast<int>(plan_.tensors.size()) - 1;
  }
  int add_graph_tensor(int id, Layout layout) {
    return carrier(id) = add_tensor(graph_.tensors[static_cast<std::size_t>(id)].shape, layout,
                                    has_gradient(id));
  }

  OpProblem problem_of(int index) { return problem_of(index, node(index).bottoms); }
  // Of a node as if it read other tensors, of the same shapes.
  OpProblem problem_of(int index, const std::vector<int>& bottoms) {
    OpProblem problem{.params = node(index).op,
                      .training = options_.training,
                      .precision = options_.precision,
                      .seed = options_.seed,
                      .layer = static_cast<std::uint64_t>(index)};
    for (const int bottom : bottoms) {
      const PlannedTensor& tensor = planned(carrier(bottom));
      problem.bottoms.push_back(tensor.shape);
      problem.bottom_layouts.push_back(tensor.layout);
      problem.propagate.push_back(has_gradient(bottom));
    }
    for (const int top : node(index).tops)
      problem.tops.push_back(graph_.tensors[static_cast<std::size_t>(top)].shape);
    if (const Node* relu = fusable_relu(graph_, node(index))) {
      problem.fused_relu = true;
      problem.relu_slope = std::get<ReluParams>(relu->op).slope;
    }
    return problem;
  }

  // `tensor` in `layout`: itself, or a copy made by a new step.
  int in_layout(int tensor, Layout layout, const std::string& name) {
    if (planned(tensor).layout == layout) return tensor;
    if (options_.device_inputs && !is_blocked(layout) && is_input(tensor)) {
      planned(tensor).layout = layout;
      return tensor;
    }
    const int copy = add_tensor(planned(tensor).shape, layout, planned(tensor).grad_storage >= 0);
    plan_.steps.push_back({.label = name + " -> " + std::string(layout_name(layout)),
                           .nodes = {},
                           .op = nullptr,
                           .implementation = "reorder",
                           .bottoms = {tensor},
                           .tops = {copy},
                           .run_backward = planned(tensor).grad_storage >= 0});
    return copy;
  }

  // Nobody else reads an input that a step asks for: the graph splits what has several readers.
  bool is_input(int tensor) {
    return std::ranges::any_of(graph_.inputs, [&](int input) { return carrier(input) == tensor; });
  }

  // One step for `nodes`, the ReLUs behind them included; their tensors in the operation's order.
  void add_step(const std::vector<int>& nodes, ChosenOp chosen, const std::vector<int>& bottoms,
                const std::vector<int>& tops) {
    PlannedStep step{.label = "",
                     .nodes = nodes,
                     .op = std::move(chosen.op),
                     .implementation = chosen.implementation,
                     .bottoms = {},
                     .tops = {},
                     .run_backward = options_.training && is_loss(node(nodes[0]))};
    for (const int index : nodes) {
      const Node* relu = fusable_relu(graph_, node(index));
      step.label += (step.label.empty() ? "" : " & ") + node(index).name;
      if (relu) step.label += "+" + relu->name;
      planned_[static_cast<std::size_t>(index)] = true;
      if (relu) planned_[static_cast<std::size_t>(relu - graph_.nodes.data())] = true;
    }
    for (std::size_t i = 0; i < bottoms.size(); ++i)
      step.bottoms.push_back(
          in_layout(carrier(bottoms[i]), step.op->bottom_layout(i), node(nodes[0]).name));
    for (std::size_t i = 0; i < tops.size(); ++i) {
      const auto writer =
          static_cast<std::size_t>(graph_.tensors[static_cast<std::size_t>(tops[i])].producer);
      const Node* relu = fusable_relu(graph_, graph_.nodes[writer]);
      const int shown = relu ? relu->tops[0] : tops[i];
      step.tops.push_back(add_graph_tensor(shown, step.op->top_layout(i)));
      step.run_backward |= has_gradient(shown);
      if (relu) carrier(tops[i]) = step.tops.back();
    }
    plan_.steps.push_back(std::move(step));
  }

  // Siblings behind a fan-out read its tensor once, so it has one top for all of them.
  struct Siblings {
    std::vector<int> nodes;
    ChosenOp chosen;
  };
  void add_split(int index) {
    std::optional<Siblings> siblings = siblings_behind(index);
    OpProblem problem = problem_of(index);
    std::vector<int> tops, others;
    for (const int top : node(index).tops) {
      const int reader = graph_.tensors[static_cast<std::size_t>(top)].consumer;
      const bool joined = siblings && reader != siblings->nodes[0] &&
                          std::ranges::count(siblings->nodes, reader) > 0;
      (joined ? others : tops).push_back(top);
    }
    problem.tops.resize(tops.size());
    add_step({index}, create_op(options_.device, problem, options_.engine), node(index).bottoms,
             tops);
    if (!siblings) return;
    for (const int top : others) carrier(top) = carrier(node(siblings->nodes[0]).bottoms[0]);
    siblings_.emplace(siblings->nodes[0], std::move(*siblings));
  }
  std::optional<Siblings> siblings_behind(int split) {
    const std::vector<int> nodes = sibling_convolutions(graph_, split);
    if (nodes.empty() || !options_.join_siblings) return std::nullopt;
    OpProblem problem = problem_of(nodes[0], node(split).bottoms);
    problem.tops.clear();
    std::int64_t outputs = 0;
    for (const int index : nodes) {
      const int top = node(index).tops[0];
      if (has_gradient(top) != has_gradient(node(nodes[0]).tops[0])) return std::nullopt;
      problem.tops.push_back(graph_.tensors[static_cast<std::size_t>(top)].shape);
      outputs += problem.tops.back().c();
    }
    std::get<ConvolutionParams>(problem.params).outputs = outputs;
    std::optional<ChosenOp> chosen = create_siblings(options_.device, problem, options_.engine);
    if (!chosen) return std::nullopt;
    return Siblings{nodes, std::move(*chosen)};
  }
  void add_siblings(Siblings siblings) {
    std::vector<int> tops;
    for (const int index : siblings.nodes) tops.push_back(node(index).tops[0]);
    add_step(siblings.nodes, std::move(siblings.chosen), node(siblings.nodes[0]).bottoms, tops);
  }

  const Graph& graph_;
  const ExecutorOptions& options_;
  std::vector<bool> with_gradient_;
  std::vector<bool> planned_;         // nodes
  std::map<int, Siblings> siblings_;  // by the first of their nodes
  Plan plan_;
};

}  // namespace

Plan make_plan(const Graph& graph, const ExecutorOptions& options) {
  require_precision(options.device, options.precision);
  return Planner(graph, options).run();
}

}  // namespace fovea
