// Relevance of one layer that is not linear, by one rule on one device.
#pragma once

#include <string>
#include <vector>

#include "engine/check/layer_run.h"
#include "engine/graph/graph.h"
#include "engine/relevance/step.h"

namespace fovea {

struct NamedRule {
  std::string name;  // "winner", "toolbox", "pass"
  OtherRules rules;
};

// The rules that layer `node` has (kernels/ops/relevance_other.h), each once: every one where
// `presets` is "all", those of the presets named, none where it is empty. Nothing for linear
// layers, losses and accuracy.
[[nodiscard]] std::vector<NamedRule> other_rules_of_layer(const Node& node,
                                                          const std::vector<std::string>& presets);

// A layer, what it works on, and what comes from above; all plain.
struct OtherCase {
  const Node* node = nullptr;
  OpProblem problem;  // propagates to every bottom
  OtherRules rules;
  std::vector<Tensor<float>> values;  // bottoms as the first device made them
  std::vector<Tensor<float>> r;       // relevance from above; set by condition()
  std::vector<Tensor<float>> bounds;  // of the bottoms' relevance (other_bounds.h)
};

// Draws r between -1 and 1, but zero where a rule divides by a window's sum that cancels to less
// than a thousandth of what it is made of; and sets the bounds.
void condition(OtherCase& problem, std::uint64_t seed);

// Relevance at the layer's bottoms; "reference" is the formula in double.
[[nodiscard]] std::vector<Tensor<float>> run_relevance(const OtherCase& problem,
                                                       std::string_view device, Device& memory,
                                                       double& seconds,
                                                       std::string& implementation);

}  // namespace fovea
