// One step of a relevance walk: from the relevance at a layer's tops to the relevance at its
// bottoms.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/graph/graph.h"
#include "kernels/ops/op.h"
#include "kernels/ops/relevance_kernels.h"

namespace fovea {

// In the layout that it has.
[[nodiscard]] inline std::size_t bytes_of(const OpTensor& t) {
  return static_cast<std::size_t>(storage_count(t.shape, t.layout)) * sizeof(float);
}

// Values of the forward pass and the places for relevance, all in the layouts of the executor's
// plan.
struct RelevanceBinding {
  std::vector<OpTensor> values;      // per bottom
  std::vector<OpTensor> top_values;  // per top; behind an in-place ReLU if one follows
  std::vector<OpTensor> tops;        // relevance from above
  std::vector<OpTensor> bottoms;     // relevance to write
  std::byte* scratch = nullptr;      // free between steps; scratch_bytes()
};

// Where a step leaves what it knows, in the device's memory.
struct StepReport {
  std::span<AbsorbedSums> absorbed;  // per image; added to
  // A step that could take the layer's output for a sum that it needs does so and sets this where
  // that was wrong (RelevanceKernels::note_unserved); null: it asks the device first, and waits.
  int* unserved = nullptr;
  bool* asked_in_vain = nullptr;  // the host's: set where it asked and the answer was no
};

class RelevanceStep {
 public:
  virtual ~RelevanceStep() = default;
  // Relevance passes as it is: where the layouts agree, bottom and top may be the same memory.
  [[nodiscard]] virtual bool passes() const { return false; }
  [[nodiscard]] virtual std::size_t scratch_bytes() const { return 0; }
  // Memory that the step keeps for itself: weights, states of operations.
  [[nodiscard]] virtual std::size_t own_bytes() const { return 0; }
  virtual void bind(const RelevanceBinding& binding) { binding_ = binding; }
  // Takes over weights and bias of the layer, plain Caffe order (linear layers only).
  virtual void set_params(std::span<const float> /*weight*/, std::span<const float> /*bias*/) {}
  // Writes binding.bottoms. With report.unserved it queues its work and nothing else, so that it
  // can be recorded (Device::record).
  virtual void run(const StepReport& report) = 0;
  // Right behind run(): the unit of image n's top with the denominator nearest to zero, as
  // (channel, position) in plain order; -1 where nothing is divided.
  [[nodiscard]] virtual std::int64_t weakest_unit(std::int64_t /*n*/) const { return -1; }
  // "alpha_beta: 2 of 4 terms, onednn:convolution", for --explain.
  [[nodiscard]] virtual std::string describe() const = 0;

 protected:
  RelevanceBinding binding_;
};

// Bounds of a net's input, (C, H, W), in the units of the input; empty where they are not known.
struct InputBounds {
  Tensor<float> low, high;
};

// Where relevance comes back to: what stands behind a linear layer says it beforehand.
enum class RelevantOutputs : std::uint8_t {
  kAll,      // anywhere
  kActive,   // to outputs that a ReLU lets through: about half of them or fewer
  kWinners,  // to those of them that win in a max pooling: at most one in four
};

// What a step is made for.
struct RelevanceProblem {
  std::string_view device;
  // Of that device; its memory holds all of a binding. Outlives the step.
  RelevanceKernels* kernels = nullptr;
  const Node* node = nullptr;
  std::vector<OpTensor> values;  // shapes and layouts of the bottoms (data is not read)
  OpTensor top;                  // shape and layout of top 0
  bool non_negative_input = false;
  bool relu_behind = true;  // what is bound as top_values may be max(z, 0) in the place of z
  RelevantOutputs relevant = RelevantOutputs::kAll;  // of top 0; decides about speed alone
  const InputBounds* bounds = nullptr;               // of the bottom; for rules that name them
};

// Convolution and inner product by a table of terms. Composed from the layer's own forward and
// backward operations with mapped weights, so every device that runs the net also explains it.
// Terms that a non-negative input makes zero are left out, parts of Z that do not depend on the
// input are computed once, and Z is the layer's own output where the rule and the values allow.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                              const RelevanceRule& rule);

// The same by work for the relevant outputs alone: on the CPU, by rules that count products by
// their sign. Null where it does not apply, or pay.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_sparse_step(const RelevanceProblem& problem,
                                                              const RelevanceRule& rule);

// The same with the bias spread evenly over the taps of its neuron (those on padding too, whose
// share is lost): t_ij = w_ij x_i + b_j / K takes the place of w_ij x_i. `beta` negative: epsilon
// rule, else alpha-beta. Sums of clipped t_ij are no sums of products, so this goes tap by tap.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_distributed_step(const RelevanceProblem& problem,
                                                                   float epsilon, float beta);

// Rules of the layers that are not linear.
struct OtherRules {
  MaxPoolingRule max_pooling = MaxPoolingRule::kWinner;
  AveragePoolingRule average_pooling = AveragePoolingRule::kProportional;
  LrnRule lrn = LrnRule::kIdentity;
  ReluRule relu = ReluRule::kPass;
};

// Pooling, LRN, concat, split, ReLU, dropout, and softmax (whose bottom gets the probabilities).
// Error naming the layer for the rest.
[[nodiscard]] std::unique_ptr<RelevanceStep> make_other_step(const RelevanceProblem& problem,
                                                             const OtherRules& rules);

}  // namespace fovea
