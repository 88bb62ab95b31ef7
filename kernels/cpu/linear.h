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
  // As it reads the input and the output's gradient; empty = as the plan has them.
  MemoryDesc src = {}, top_grad = {};
};

struct LinearPlan {
  LinearPass forward, backward_data, backward_weights;
  // Forward of one image, for outputs that are slices: the library knows none of several images.
  // Empty: there is none for the weights as they are kept.
  std::function<LinearPass()> forward_of_one;
  MemoryDesc src, dst, bias;  // bias empty = none; gradients are in the same formats
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

// Why the problem is not to be computed in bf16; "" = it is.
[[nodiscard]] std::string no_bf16(const OpProblem& problem);

// Replaces the passes of a plan in single precision by those that multiply bf16 numbers, wherever
// the library has more than plain loops for them. Sums, bias, output and the gradients that come
// out stay single precision.
template <class Forward, class BackwardData, class BackwardWeights>
void use_bf16(const OpProblem& problem, const LinearDescs& fp32, LinearPlan& plan) {
  const auto fast = [](const auto& pd) {
    return !std::string_view(pd.impl_info_str()).starts_with("ref");
  };
  LinearDescs descs = fp32;
  descs.src = in_bf16(fp32.src);
  descs.weights = any_format(fp32.weights, dnnl::memory::data_type::bf16);
  const auto hint_of = [&](const LinearDescs& d, std::optional<float> relu) {
    return forward_desc(d, forward_kind(problem.training), attributes(relu),
                        static_cast<Forward*>(nullptr));
  };
  if (const auto forward = hint_of(descs, plan.relu_slope); fast(forward)) {
    plan.forward = forward_pass<Forward>(forward);
    plan.forward.src = descs.src;
    plan.forward_of_one = nullptr;
  }
  if (!problem.training) return;
  LinearDescs back = descs;
  back.dst = in_bf16(fp32.dst);
  const auto hint = hint_of(back, std::nullopt);
  if (problem.propagate[0]) {
    LinearDescs data = back;
    data.src = fp32.src;
    const typename BackwardData::primitive_desc pd =
        backward_data_desc(data, hint, attributes(std::nullopt));
    if (fast(pd))
      plan.backward_data = {
          BackwardData(pd), pd.weights_desc(), pd.scratchpad_desc(), {}, back.dst};
  }
  LinearDescs gradient = back;
  gradient.weights = any_format(fp32.weights, dnnl::memory::data_type::f32);
  const typename BackwardWeights::primitive_desc pd =
      backward_weights_desc(gradient, hint, attributes(std::nullopt));
  if (fast(pd))
    plan.backward_weights = {BackwardWeights(pd), pd.diff_weights_desc(), pd.scratchpad_desc(),
                             back.src, back.dst};
}

}  // namespace fovea::cpu
