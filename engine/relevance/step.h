// One step of a relevance walk: from the relevance at a layer's tops to the relevance at its
// bottoms.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "kernels/cpu/relevance.h"
#include "kernels/ops/op.h"
#include "kernels/ops/relevance_linear.h"

namespace fovea {

// Values of the forward pass and the places for relevance, all in the layouts of the executor's
// plan.
struct RelevanceBinding {
  std::vector<OpTensor> values;   // per bottom
  std::vector<OpTensor> tops;     // relevance from above
  std::vector<OpTensor> bottoms;  // relevance to write
};

class RelevanceStep {
 public:
  virtual ~RelevanceStep() = default;
  virtual void bind(const RelevanceBinding& binding) { binding_ = binding; }
  // Takes over weights and bias of the layer, plain Caffe order (linear layers only).
  virtual void set_params(std::span<const float> /*weight*/, std::span<const float> /*bias*/) {}
  // Writes binding.bottoms. `absorbed` has one entry per image and is added to.
  virtual void run(std::span<cpu::AbsorbedSums> absorbed) = 0;
  // "alpha_beta: 2 of 4 terms, onednn:convolution", for --explain.
  [[nodiscard]] virtual std::string describe() const = 0;

 protected:
  RelevanceBinding binding_;
};

// What a step is made for.
struct RelevanceProblem {
  std::string_view device;
  const Node* node = nullptr;
  std::vector<OpTensor> values;  // shapes and layouts of the bottoms (data is not read)
  OpTensor top;                  // shape and layout of top 0
  bool non_negative_input = false;
};

// Convolution and inner product by a table of terms. Composed from the layer's own forward and
// backward operations with mapped weights, so every device that runs the net also explains it.
// Terms that a non-negative input makes zero are left out.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                              const RelevanceRule& rule);

// Pooling, LRN, concat, split, ReLU and dropout. Error naming the layer for the rest.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_other_step(const RelevanceProblem& problem,
                                                             MaxPoolingRule max_pooling,
                                                             LrnRule lrn);

}  // namespace fovea
