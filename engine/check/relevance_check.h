// One linear layer's relevance by one rule on one device, and how far two devices may differ there.
#pragma once

#include <string>
#include <vector>

#include "engine/check/layer_run.h"
#include "engine/graph/graph.h"
#include "engine/relevance/step.h"

namespace fovea {

// The tables that the presets named have for linear layer `node` of `graph`, each once; where
// `presets` is "all", those of every preset, and every rule by its own constants; none where it is
// empty. Without those that need bounds where the layer does not read the net's input.
[[nodiscard]] std::vector<RelevanceRule> rules_of_layer(const Graph& graph, int node,
                                                        const std::vector<std::string>& presets);

// A layer, its forward pass, and what comes from above.
struct RelevanceCase {
  const Node* node = nullptr;
  RelevanceRule rule;
  InputBounds bounds;  // (C, H, W); empty: none
  Tensor<float> x, y;  // bottom and top as the first device made them
  std::vector<Tensor<float>> params;
  Tensor<float> r;      // relevance from above; set by condition()
  Tensor<float> bound;  // of the bottom's relevance; set by condition()
};

// Sets r to y times numbers around 1, but to zero at outputs whose sums cancel to less than a
// thousandth of what they are made of: there no precision bounds the quotient. Sets the bound:
//   sum_t |c s a_t(x)| |v_t(w)|^T |S| (g_Z Zabs / |Z| + g_R),   g: sum_bound() of either pass
void condition(RelevanceCase& problem, std::uint64_t seed);

// Relevance at the layer's bottom; "reference" is the formula in double
// (engine/relevance/verify.h).
[[nodiscard]] Tensor<float> run_relevance(const RelevanceCase& problem, std::string_view device,
                                          Device& memory, double& seconds,
                                          std::string& implementation);

}  // namespace fovea
