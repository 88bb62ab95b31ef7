// Convolution and inner product on oneDNN: what both share once their passes are planned.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "kernels/cpu/dnnl.h"

namespace fovea::cpu {

// One primitive and the formats that only it knows.
struct LinearPass {
  dnnl::primitive primitive;  // empty: the pass is not wanted
  MemoryDesc weights;         // as it reads or writes them
  MemoryDesc scratchpad;
};

struct LinearPlan {
  LinearPass forward, backward_data, backward_weights;
  // Forward of one image, for outputs that are slices: the library knows none of several images.
  // Empty: there is none for the weights as they are kept.
  std::function<LinearPass()> forward_of_one;
  MemoryDesc src, dst, bias;  // bias empty = none; gradients are in the same formats
  MemoryDesc src_gradient;    // as backward_data writes it; empty = as src
  MemoryDesc weights;         // of the parameters and their gradient
  // The way from Caffe's order into `weights`: `plain` and `ordered` are the same elements in two
  // orders, and `flat` is what lies in memory as `ordered`, under the dimensions of `weights`.
  MemoryDesc plain, ordered, flat;
  Layout bottom = Layout::kPlain, top = Layout::kPlain;
  std::int64_t outputs = 0;         // K
  std::optional<float> relu_slope;  // y = relu(...); backward masks dy by y > 0
};

// Backward passes that want the weights in another format convert them into scratch; a forward pass
// that does is only for inference: it reads a copy made when the parameters change.
[[nodiscard]] std::unique_ptr<Op> make_linear_op(LinearPlan plan);

inline dnnl::prop_kind forward_kind(bool training) {
  return training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

inline std::optional<float> fused_slope(const OpProblem& problem) {
  return problem.fused_relu ? std::optional(problem.relu_slope) : std::nullopt;
}

// dz = dy where y > 0, else slope dy: the derivative of a fused ReLU; dz may be dy.
void mask_by_output(const OpTensor& y, const OpTensor& dy, float slope, const OpTensor& dz);

template <class Primitive>
LinearPass forward_pass(const typename Primitive::primitive_desc& pd) {
  return {Primitive(pd), pd.weights_desc(), pd.scratchpad_desc()};
}
template <class Primitive, class Hint>
LinearPass backward_data_pass(const LinearDescs& descs, const Hint& forward) {
  const typename Primitive::primitive_desc pd =
      backward_data_desc(descs, forward, attributes(std::nullopt));
  return {Primitive(pd), pd.weights_desc(), pd.scratchpad_desc()};
}
template <class Primitive, class Hint>
LinearPass backward_weights_pass(const LinearDescs& descs, const Hint& forward) {
  const typename Primitive::primitive_desc pd =
      backward_weights_desc(descs, forward, attributes(std::nullopt));
  return {Primitive(pd), pd.diff_weights_desc(), pd.scratchpad_desc()};
}

}  // namespace fovea::cpu
