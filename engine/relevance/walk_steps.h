// The steps of a walk: which layers it goes through, by which rules, and what it keeps of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/relevance/analyzer.h"
#include "engine/relevance/step.h"

namespace fovea {

struct WalkStep {
  int node, full_node;  // in the executor's graph, and in the net as given
  std::unique_ptr<RelevanceStep> step;
  std::vector<std::size_t> params;  // executor's parameter indices
  // Channels of top 0, 1 or 0 each, in the device's memory; empty: all.
  DeviceBuffer<std::uint8_t> keep;
  std::optional<RelevanceRule> rule;  // linear layers whose biases are not distributed
};

// Tensors of the net that have to be run: up to the start of the walk, and auxiliary heads where
// they send something down. Error on --first and --last that are no part of it.
[[nodiscard]] std::vector<int> ends_of_walk(const Graph& full, const AnalyzerOptions& options);

// What the rules of the composite say for layers that are not linear.
[[nodiscard]] OtherRules other_rules(const Composite& composite);

// What spreading a bias over its taps makes of a choice; none for rules that have no such form.
[[nodiscard]] std::optional<DistributedRule> distributed_rule(const RuleChoice& choice);

// One step per layer of `executor`'s graph, a part of `full`, in walking order: the last layer
// first. Error naming the layer that has no rule, or the channels that it has not. `executor`,
// `kernels` and `bounds` (null: none) outlive the steps.
[[nodiscard]] std::vector<WalkStep> walk_steps(const Graph& full, const Executor& executor,
                                               RelevanceKernels& kernels,
                                               const AnalyzerOptions& options,
                                               const InputBounds* bounds);

}  // namespace fovea
