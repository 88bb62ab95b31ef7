// One linear layer's relevance with its bias spread over the taps on one device, and how far two
// devices may differ there.
#pragma once

#include <string>
#include <vector>

#include "engine/check/layer_run.h"
#include "engine/graph/graph.h"
#include "kernels/ops/relevance_kernels.h"

namespace fovea {

// The rules that spread a bias and that the presets named have for linear layer `node` of `graph`,
// each once, by name; where `presets` is "all", every one by its own constants.
[[nodiscard]] std::vector<std::pair<std::string, DistributedRule>> distributed_rules_of_layer(
    const Graph& graph, int node, const std::vector<std::string>& presets);

// A layer, its forward pass, and what comes from above.
struct DistributedCase {
  const Node* node = nullptr;
  DistributedRule rule;
  Tensor<float> x, y;  // bottom and top as the first device made them
  std::vector<Tensor<float>> params;
  Tensor<float> r;      // relevance from above; set by condition()
  Tensor<float> bound;  // of the bottom's relevance; set by condition()
};

// Sets r to y times numbers around 1, but to zero at outputs whose sums cancel to less than a
// thousandth of what they are made of: there no precision bounds the quotient. With u = 2^-24,
// m = |w x| + |b / K| (so that t errs by 3 u m), M its sum over an output's taps, f, f' the factors
// of t > 0 and of t < 0, and Z the sum that a factor is a quotient of, the bound is
//   sum_j 6 u m (|f| + |f'|) + |t f| (2 (3 u M / |Z| + 4 u) + g),   g: sum_bound() of the sum over
//   j
void condition(DistributedCase& problem, std::uint64_t seed);

// Relevance at the layer's bottom; "reference" is the formula in double
// (kernels/reference/relevance_distributed.h).
[[nodiscard]] Tensor<float> run_relevance(const DistributedCase& problem, std::string_view device,
                                          Device& memory, double& seconds,
                                          std::string& implementation);

}  // namespace fovea
