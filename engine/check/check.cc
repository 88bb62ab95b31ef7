#include "engine/check/check.h"

#include <algorithm>
#include <memory>

#include "engine/backend/registry.h"
#include "engine/check/bounds.h"
#include "engine/check/distributed_relevance.h"
#include "engine/check/net_values.h"
#include "engine/check/other_relevance.h"
#include "engine/check/relevance_check.h"
#include "engine/check/siblings_check.h"
#include "engine/core/pattern.h"
#include "engine/graph/fusion.h"
#include "engine/relevance/places.h"

namespace fovea {
namespace {

struct OpenDevice {
  std::string name;
  std::shared_ptr<Device> memory;
};

std::vector<OpenDevice> open_devices(const std::vector<std::string>& names) {
  require(names.size() >= 2, "wrong value for --devices: ", names.size(),
          " devices, expected two or more, as in reference,cpu");
  std::vector<OpenDevice> devices;
  for (const std::string& name : names) devices.push_back({name, open_device(name)});
  return devices;
}

bool has_backward(const Node& node) { return !std::holds_alternative<AccuracyParams>(node.op); }
bool is_loss(const Node& node) { return std::holds_alternative<SoftmaxLossParams>(node.op); }

class Check {
 public:
  Check(const Executor& model, const CheckOptions& options)
      : options_(options),
        graph_(model.graph()),
        devices_(open_devices(options.devices)),
        cpu_{"cpu", open_device("cpu")},
        values_(model, options.seed) {
    std::size_t layers = 0;
    for (const Node& node : graph_.nodes) {
      const auto index = static_cast<int>(chosen_.size());
      chosen_.push_back(matches(options.layers, node.name));
      if (!chosen_.back()) continue;
      ++layers;
      count_ += has_backward(node) ? 2 : 1;
      count_ += !is_linear(node.op) ? other_rules_of_layer(node, options.rules).size()
                : spreads_bias() ? distributed_rules_of_layer(graph_, index, options.rules).size()
                                 : rules_of_layer(graph_, index, options.rules).size();
    }
    find_siblings();
    require(layers > 0, "wrong value for --layers: '", options.layers, "' matches no layer of net ",
            graph_.name);
  }

  std::vector<CheckLine> run() {
    const std::size_t end = behind_last_chosen();
    for (std::size_t i = 0; i < end; ++i) forward(i);
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      if (chosen_[i] && has_backward(graph_.nodes[i])) backward(i);
    }
    for (const std::vector<std::size_t>& nodes : siblings_) siblings(nodes);
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      if (!chosen_[i]) continue;
      if (!is_linear(graph_.nodes[i].op)) {
        other_relevance(i);
      } else {
        spreads_bias() ? distributed_relevance(i) : relevance(i);
      }
    }
    return std::move(lines_);
  }

 private:
  [[nodiscard]] bool spreads_bias() const { return options_.bias == BiasRule::kDistribute; }
  [[nodiscard]] std::size_t behind_last_chosen() const {
    return static_cast<std::size_t>(std::find(chosen_.rbegin(), chosen_.rend(), true).base() -
                                    chosen_.begin());
  }

  // Of the layers chosen.
  void find_siblings() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!std::holds_alternative<SplitParams>(graph_.nodes[i].op)) continue;
      const std::vector<int> found = sibling_convolutions(graph_, static_cast<int>(i));
      const std::vector<std::size_t> nodes(found.begin(), found.end());
      if (nodes.empty() || !std::ranges::all_of(nodes, [&](auto n) { return chosen_[n]; }))
        continue;
      siblings_.push_back(nodes);
      ++count_;
    }
  }

  [[nodiscard]] LayerOutputs run_on(const OpenDevice& device, std::size_t i,
                                    const LayerInputs& inputs, bool backward) const {
    const OpProblem problem = values_.problem_of(i);
    if (!options_.disturb) return run_layer(device.name, *device.memory, problem, inputs, backward);
    LayerInputs disturbed = inputs;
    options_.disturb(device.name, graph_.nodes[i].name, disturbed);
    return run_layer(device.name, *device.memory, problem, disturbed, backward);
  }

  void forward(std::size_t i) {
    const LayerInputs inputs = values_.inputs_of(i);
    if (chosen_[i]) progress(i);
    const LayerOutputs first =
        run_on(chosen_[i] ? devices_[0] : cpu_, i, inputs, /*backward=*/false);
    values_.keep_values(i, first);
    if (!chosen_[i]) return;
    const LayerBounds bounds = layer_bounds(values_.problem_of(i), inputs, first);
    for (std::size_t d = 1; d < devices_.size(); ++d) {
      const LayerOutputs other = run_on(devices_[d], i, inputs, false);
      CheckLine line = line_of(i, "forward", d, other);
      line.first_s = first.forward_s, line.seconds = other.forward_s;
      add(other.tops, first.tops, bounds.tops, std::move(line));
    }
  }

  void backward(std::size_t i) {
    const Node& node = graph_.nodes[i];
    LayerInputs inputs = values_.inputs_of(i);
    if (!is_loss(node)) {
      for (const int top : node.tops) inputs.top_grads.push_back(values_.gradient(top));
    }
    progress(i);
    const LayerOutputs first = run_on(devices_[0], i, inputs, true);
    values_.keep_gradients(i, first);
    const LayerBounds bounds = layer_bounds(values_.problem_of(i), inputs, first);
    for (std::size_t d = 1; d < devices_.size(); ++d) {
      const LayerOutputs other = run_on(devices_[d], i, inputs, true);
      add_backward(line_of(i, "", d, other), other, first, bounds);
    }
  }
  void add_backward(CheckLine line, const LayerOutputs& other, const LayerOutputs& first,
                    const LayerBounds& bounds) {
    line.first_s = first.backward_s, line.seconds = other.backward_s;
    if (std::ranges::any_of(first.bottom_grads, [](auto& t) { return t.shape.rank() > 0; })) {
      line.what = "backward data";
      add(other.bottom_grads, first.bottom_grads, bounds.bottom_grads, line);
    }
    if (!first.param_grads.empty()) {
      line.what = "backward weights";
      add(other.param_grads, first.param_grads, bounds.param_grads, std::move(line));
    }
  }

  // As one operation on the devices that have it, beside one by one on the first.
  void siblings(const std::vector<std::size_t>& nodes) {
    std::vector<OpProblem> problems;
    std::vector<LayerInputs> inputs;
    std::vector<LayerOutputs> outputs;
    std::string name;
    progress(nodes[0]);
    for (const std::size_t i : nodes) {
      name += (name.empty() ? "" : " & ") + graph_.nodes[i].name;
      problems.push_back(values_.problem_of(i));
      inputs.push_back(values_.inputs_of(i));
      inputs.back().top_grads = {values_.gradient(graph_.nodes[i].tops[0])};
      outputs.push_back(run_on(devices_[0], i, inputs.back(), true));
    }
    JoinedSiblings all = join_siblings(problems, inputs, outputs);
    for (std::size_t d = 1; d < devices_.size(); ++d) {
      if (!create_siblings(devices_[d].name, all.problem)) continue;
      if (options_.disturb) options_.disturb(devices_[d].name, name, all.inputs);
      const LayerOutputs other =
          run_layer(devices_[d].name, *devices_[d].memory, all.problem, all.inputs, true);
      CheckLine line = line_of(nodes[0], "forward", d, other);
      line.layer = name, line.type = "siblings";
      line.first_s = all.expected.forward_s, line.seconds = other.forward_s;
      add(other.tops, all.expected.tops, all.bounds.tops, line);
      add_backward(std::move(line), other, all.expected, all.bounds);
    }
  }

  void relevance(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const auto bottom = static_cast<std::size_t>(node.bottoms[0]);
    RelevanceCase problem{.node = &node,
                          .rule = {},
                          .bounds = {},
                          .x = values_.value(node.bottoms[0]),
                          .y = values_.value(node.tops[0]),
                          .params = values_.params(i),
                          .r = {},
                          .bound = {}};
    const Shape& x = problem.x.shape;
    if (graph_.tensors[bottom].producer < 0 && x.rank() == 4) {
      problem.bounds.low = Tensor<float>(Shape{x.c(), x.h(), x.w()}, -128.0F);
      problem.bounds.high = Tensor<float>(Shape{x.c(), x.h(), x.w()}, 128.0F);
    }
    for (const RelevanceRule& rule : rules_of_layer(graph_, static_cast<int>(i), options_.rules)) {
      problem.rule = rule;
      progress(i);
      condition(problem, options_.seed);
      CheckLine line = line_of(i, "relevance", 0, {});
      line.rule = rule.name;
      on_every_device(line, {problem.bound}, [&](const OpenDevice& device) {
        return std::vector{relevance_on(device, problem, line)};
      });
    }
  }
  // What the first device gives beside what each of the others does; `line` has the last one's
  // time.
  template <class On>
  void on_every_device(CheckLine& line, const std::vector<Tensor<float>>& bounds, On&& on) {
    const std::vector<Tensor<float>> first = on(devices_[0]);
    line.first_s = line.seconds;
    for (std::size_t d = 1; d < devices_.size(); ++d) {
      line.device = devices_[d].name;
      const std::vector<Tensor<float>> other = on(devices_[d]);
      add(other, first, bounds, line);
    }
  }
  [[nodiscard]] Tensor<float> relevance_on(const OpenDevice& device, const RelevanceCase& problem,
                                           CheckLine& line) const {
    const auto run = [&](const RelevanceCase& of) {
      return run_relevance(of, device.name, *device.memory, line.seconds, line.implementation);
    };
    if (!options_.disturb && !options_.disturb_rule) return run(problem);
    RelevanceCase disturbed = problem;
    LayerInputs inputs{{problem.x}, problem.params, {problem.r}};
    if (options_.disturb) options_.disturb(device.name, problem.node->name, inputs);
    disturbed.params = inputs.params;
    if (options_.disturb_rule)
      options_.disturb_rule(device.name, problem.node->name, disturbed.rule);
    return run(disturbed);
  }

  void distributed_relevance(std::size_t i) {
    const Node& node = graph_.nodes[i];
    DistributedCase problem{.node = &node,
                            .rule = {},
                            .x = values_.value(node.bottoms[0]),
                            .y = values_.value(node.tops[0]),
                            .params = values_.params(i),
                            .r = {},
                            .bound = {}};
    for (const auto& [name, rule] :
         distributed_rules_of_layer(graph_, static_cast<int>(i), options_.rules)) {
      progress(i);
      problem.rule = rule;
      condition(problem, options_.seed);
      CheckLine line = line_of(i, "relevance", 0, {});
      line.rule = name;
      on_every_device(line, {problem.bound}, [&](const OpenDevice& device) {
        DistributedCase of = problem;
        if (options_.disturb_distributed_rule)
          options_.disturb_distributed_rule(device.name, node.name, of.rule);
        return std::vector{
            run_relevance(of, device.name, *device.memory, line.seconds, line.implementation)};
      });
    }
  }

  void other_relevance(std::size_t i) {
    const Node& node = graph_.nodes[i];
    OtherCase problem{.node = &node,
                      .problem = values_.problem_of(i),
                      .rules = {},
                      .values = values_.inputs_of(i).bottoms,
                      .r = {},
                      .bounds = {}};
    problem.problem.propagate.assign(node.bottoms.size(), true);
    for (const auto& [name, rules] : other_rules_of_layer(node, options_.rules)) {
      progress(i);
      problem.rules = rules;
      condition(problem, options_.seed);
      CheckLine line = line_of(i, "relevance", 0, {});
      line.rule = name;
      on_every_device(line, problem.bounds, [&](const OpenDevice& device) {
        OtherCase of = problem;
        if (options_.disturb_other_rule)
          options_.disturb_other_rule(device.name, node.name, of.rules);
        return run_relevance(of, device.name, *device.memory, line.seconds, line.implementation);
      });
    }
  }

  [[nodiscard]] CheckLine line_of(std::size_t i, const char* what, std::size_t device,
                                  const LayerOutputs& outputs) const {
    const Node& node = graph_.nodes[i];
    CheckLine line;
    line.layer = node.name, line.type = op_type_name(node.op), line.what = what;
    line.device = devices_[device].name, line.implementation = outputs.implementation;
    return line;
  }
  void add(const std::vector<Tensor<float>>& actual, const std::vector<Tensor<float>>& expected,
           const std::vector<Tensor<float>>& bounds, CheckLine line) {
    compare(actual, expected, bounds, options_.bound_scale, line);
    if (options_.found) options_.found(line);
    lines_.push_back(std::move(line));
  }
  void progress(std::size_t i) {
    if (options_.progress) options_.progress(done_, count_, graph_.nodes[i].name);
    ++done_;
  }

  const CheckOptions& options_;
  const Graph& graph_;
  std::vector<OpenDevice> devices_;
  OpenDevice cpu_;
  NetValues values_;  // as the first device made them
  std::vector<bool> chosen_;
  std::vector<std::vector<std::size_t>> siblings_;
  std::size_t count_ = 0, done_ = 0;  // comparisons, of all devices at once
  std::vector<CheckLine> lines_;
};

}  // namespace

std::vector<CheckLine> check_net(const Executor& model, const CheckOptions& options) {
  return Check(model, options).run();
}

}  // namespace fovea
