#include "engine/graph/plan.h"

#include <algorithm>
#include <map>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/graph/fusion.h"

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
    find_producers();
    join_values();
    share_values();
    share_gradients();
    join_gradients();
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

  void find_producers() {
    producer_.assign(plan_.tensors.size(), {});
    shown_elsewhere_.assign(plan_.tensors.size(), false);
    for (PlannedStep& step : plan_.steps) {
      for (std::size_t i = 0; i < step.tops.size(); ++i)
        producer_[static_cast<std::size_t>(step.tops[i])] = {&step, i};
    }
  }

  // Calls join(tensor, the tensor it is concatenated into, offset there, producer) for what its
  // producer might write into its slice of a concatenated tensor: what has a memory of its own.
  // Relevance wants every tensor by itself.
  template <class Join>
  void for_each_slice(Join&& join) {
    if (!options_.join_in_place || options_.keep_all) return;
    for (const PlannedStep& step : plan_.steps) {
      if (!step.op || !step.op->joins_slices()) continue;
      std::int64_t offset = 0;
      for (const int bottom : step.bottoms) {
        const PlannedTensor& t = planned(bottom);
        const Producer producer = producer_[static_cast<std::size_t>(bottom)];
        if (producer.step && producer.step->op && !producer.step->op->is_alias() &&
            !producer.step->op->joins_slices())
          join(bottom, step.tops[0], offset, producer);
        offset += t.layout == Layout::kChannelsLast ? t.shape.c() : image_size(t);
      }
    }
  }
  static std::int64_t image_size(const PlannedTensor& t) {
    return storage_count(t.shape, t.layout) / t.shape.n();
  }
  // A slice of the channels of a single image is like any other tensor, unless channels come last.
  static bool is_contiguous(const PlannedTensor& slice) {
    return slice.shape.n() == 1 && slice.layout != Layout::kChannelsLast;
  }

  void join_values() {
    for_each_slice([&](int slice, int whole, std::int64_t offset, const Producer& producer) {
      PlannedTensor& t = planned(slice);
      if (!is_contiguous(t) && !producer.step->op->take_value_slice(producer.top)) return;
      t.is_slice = true, t.storage = planned(whole).storage, t.offset = offset;
      t.pitch = is_contiguous(t) ? 0 : image_size(planned(whole));
      shown_elsewhere_[static_cast<std::size_t>(slice)] = true;
      shown_elsewhere_[static_cast<std::size_t>(whole)] = true;
    });
  }

  // Where an operation in place made others share the gradient, it stays where it is.
  void join_gradients() {
    std::vector<int> users(static_cast<std::size_t>(plan_.grad_storages));
    for (const PlannedTensor& t : plan_.tensors) {
      if (t.grad_storage >= 0) ++users[static_cast<std::size_t>(t.grad_storage)];
    }
    for_each_slice([&](int slice, int whole, std::int64_t offset, const Producer& producer) {
      PlannedTensor& t = planned(slice);
      if (t.grad_storage < 0 || planned(whole).grad_storage < 0) return;
      if (users[static_cast<std::size_t>(t.grad_storage)] > 1) return;
      if (!is_contiguous(t) && !producer.step->op->take_gradient_slice(producer.top)) return;
      t.grad_storage = planned(whole).grad_storage, t.grad_offset = offset;
      t.grad_pitch = is_contiguous(t) ? 0 : image_size(planned(whole));
    });
  }

  // Aliases always share; in-place operations share where nobody reads the old value any more.
  void share_values() {
    for (const PlannedStep& step : plan_.steps) {
      if (!step.op) continue;
      const auto bottom = static_cast<std::size_t>(step.bottoms[0]),
                 top = static_cast<std::size_t>(step.tops[0]);
      if (step.op->is_alias()) {
        for (const int shown : step.tops) {
          planned(shown).storage = planned(step.bottoms[0]).storage;
          shown_elsewhere_[static_cast<std::size_t>(shown)] = true;
        }
      } else if (step.op->in_place() && may_overwrite(step, producer_[bottom].step) &&
                 !shown_elsewhere_[bottom] && !shown_elsewhere_[top]) {
        planned(step.tops[0]).storage = planned(step.bottoms[0]).storage;
      }
    }
  }

  // A gradient dies with the step that reads it, so sharing it needs no more than the operation's
  // consent.
  void share_gradients() {
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

  // The step that writes a tensor, and as which of its tops.
  struct Producer {
    PlannedStep* step = nullptr;
    std::size_t top = 0;
  };

  const Graph& graph_;
  const ExecutorOptions& options_;
  std::vector<bool> with_gradient_;
  std::vector<bool> planned_;          // nodes
  std::map<int, Siblings> siblings_;   // by the first of their nodes
  std::vector<Producer> producer_;     // by tensor
  std::vector<bool> shown_elsewhere_;  // other tensors show the same memory
  Plan plan_;
};

}  // namespace

Plan make_plan(const Graph& graph, const ExecutorOptions& options) {
  require_precision(options.device, options.precision);
  return Planner(graph, options).run();
}

}  // namespace fovea
