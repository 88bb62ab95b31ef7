// A walk's float steps beside the formulas in double.
#pragma once

#include <string>
#include <vector>

#include "engine/relevance/step.h"

namespace fovea {

// One step of one image: how far it is from the double-precision reference of kernels/reference,
// given the same float inputs.
struct StepError {
  std::string layer;
  double largest = 0;  // largest difference over the largest value of the reference
  double l1 = 0;       // sum of differences over the sum of magnitudes
};

// Relative to the largest value of a layer, what a step in float may be off in any order of
// summation: the tolerance of the reference numbers of the original software.
inline constexpr double kStepTolerance = 5e-5;

// What the reference needs of a layer; plain tensors of one image or of several.
struct VerifyProblem {
  const Node* node = nullptr;
  OtherRules other;
  const RelevanceRule* rule = nullptr;  // linear layers
  std::vector<Tensor<float>> values, tops, bottoms;
  std::vector<float> weight, bias;
  const InputBounds* bounds = nullptr;  // of the net's input; read by rules that name them
};

// Terms of the rule name the bounds of the layer's input.
[[nodiscard]] bool needs_bounds(const RelevanceRule& rule);

// Relevance at every bottom by the formula in double. Plain loops: seconds for a large convolution.
[[nodiscard]] std::vector<Tensor<double>> reference_relevance(const VerifyProblem& problem);

[[nodiscard]] StepError verify_step(const VerifyProblem& problem);

}  // namespace fovea
