#include "engine/relevance/walk_steps.h"

#include <algorithm>

#include "engine/core/fields.h"
#include "engine/relevance/places.h"

namespace fovea {
namespace {

std::unique_ptr<RelevanceStep> make_step(const Composite& c, const RelevanceProblem& problem,
                                         const LayerPlace& place,
                                         std::optional<RelevanceRule>& rule) {
  const Node& node = *problem.node;
  if (!is_linear(node.op)) return make_other_step(problem, other_rules(c));
  const RuleChoice& choice = c.choice_for(node, place);
  if (c.bias != BiasRule::kDistribute) {
    rule = c.table_of(choice, node);
    if (auto step = make_sparse_step(problem, *rule)) return step;
    return make_linear_step(problem, *rule);
  }
  const std::optional<DistributedRule> spread = distributed_rule(choice);
  require(spread.has_value(), "no --bias distribute for layer ", node.name, " by rule ",
          enum_name(choice.rule), ", expected epsilon, alpha_beta or z_plus");
  return make_distributed_step(problem, spread->epsilon, spread->beta);
}

bool has_relu_behind(const Graph& graph, const Node& node) {
  const int consumer = graph.tensors[static_cast<std::size_t>(node.tops[0])].consumer;
  return consumer >= 0 &&
         std::holds_alternative<ReluParams>(graph.nodes[static_cast<std::size_t>(consumer)].op);
}

void choose_channels(const Graph& full, const Graph& graph, const AnalyzerOptions& options,
                     Device& device, std::vector<WalkStep>& walk) {
  for (const ChannelChoice& choice : options.channels) {
    const auto w = std::ranges::find(walk, choice.node, &WalkStep::full_node);
    require(w != walk.end(), "wrong layer for --channels: ",
            choice.node >= 0 && choice.node < std::ssize(full.nodes)
                ? full.nodes[static_cast<std::size_t>(choice.node)].name
                : str(choice.node),
            ", expected one that the walk goes through");
    const Node& node = graph.nodes[static_cast<std::size_t>(w->node)];
    const std::int64_t channels = graph.tensors[static_cast<std::size_t>(node.tops[0])].shape.c();
    std::vector<std::uint8_t> keep(static_cast<std::size_t>(channels));
    for (const int channel : choice.channels) {
      require(channel >= 0 && channel < channels, "wrong channel for --channels ", node.name, ": ",
              channel, ", expected one below ", channels);
      keep[static_cast<std::size_t>(channel)] = 1;
    }
    w->keep = DeviceBuffer<std::uint8_t>(device, keep.size());
    device.upload(w->keep.data(), keep.data(), keep.size());
  }
}

}  // namespace

OtherRules other_rules(const Composite& c) {
  return {.max_pooling = c.max_pooling,
          .average_pooling = c.average_pooling,
          .lrn = c.lrn,
          .relu = c.relu};
}

std::optional<DistributedRule> distributed_rule(const RuleChoice& choice) {
  switch (choice.rule) {
    case LinearRuleName::kEpsilon:
      return DistributedRule{choice.epsilon, -1};
    case LinearRuleName::kAlphaBeta:
      return DistributedRule{0, choice.beta};
    case LinearRuleName::kZPlus:
      return DistributedRule{0, 0};
    default:
      return std::nullopt;
  }
}

std::vector<int> ends_of_walk(const Graph& full, const AnalyzerOptions& options) {
  require(options.last < std::ssize(full.nodes), "wrong value for --last: ", options.last,
          ", expected a layer index below ", full.nodes.size());
  require(options.first >= 0 && options.first <= options.last,
          "wrong value for --first: ", options.first, ", expected 0 or more and at most ",
          options.last);
  std::vector<int> ends{full.nodes[static_cast<std::size_t>(options.last)].tops[0]};
  for (int i = options.first; options.composite.auxiliary_softmax && i < options.last; ++i) {
    const Node& node = full.nodes[static_cast<std::size_t>(i)];
    if (std::holds_alternative<SoftmaxParams>(node.op)) ends.push_back(node.tops[0]);
  }
  return ends;
}

std::vector<WalkStep> walk_steps(const Graph& full, const Executor& executor,
                                 RelevanceKernels& kernels, const AnalyzerOptions& options,
                                 const InputBounds* bounds) {
  const Graph& graph = executor.graph();
  std::vector<WalkStep> walk;
  const std::vector<bool> non_negative = non_negative_tensors(graph);
  const std::vector<int> depths = linear_depths(graph);
  std::size_t param = executor.param_count();
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    param -= node.params.size();
    const int full_index = full.find_node(node.name);
    if (full_index < options.first) continue;
    RelevanceProblem problem{
        .device = options.device,
        .kernels = &kernels,
        .node = &node,
        .values = {},
        .top = executor.raw(node.tops[0]),
        .non_negative_input = non_negative[static_cast<std::size_t>(node.bottoms[0])],
        .relu_behind = has_relu_behind(graph, node),
        .relevant = relevant_outputs(graph, node.tops[0],
                                     options.composite.max_pooling == MaxPoolingRule::kWinner),
        .bounds = bounds};
    for (const int bottom : node.bottoms) problem.values.push_back(executor.raw(bottom));
    WalkStep step{.node = static_cast<int>(i), .full_node = full_index, .step = nullptr};
    step.step = make_step(options.composite, problem,
                          {.index = full_index,
                           .depth = depths[i],
                           .first = full_index == options.first,
                           .last = full_index == options.last},
                          step.rule);
    for (std::size_t k = 0; k < node.params.size(); ++k) step.params.push_back(param + k);
    walk.push_back(std::move(step));
  }
  choose_channels(full, graph, options, kernels.device(), walk);
  return walk;
}

}  // namespace fovea
