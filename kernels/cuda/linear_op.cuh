// What the operations of linear layers share: parameters, and how tensors lie.
#pragma once

#include "kernels/cuda/device_op.cuh"
#include "kernels/cuda/filter_order.h"
#include "kernels/cuda/linear_geometry.cuh"
#include "kernels/cuda/linear_gradient.cuh"
#include "kernels/cuda/linear_problems.cuh"

namespace fovea::FOVEA_TARGET {

class LinearBase : public DeviceOp {
 public:
  explicit LinearBase(const OpProblem& problem)
      : DeviceOp(problem),
        geometry_(linear_geometry(problem)),
        flat_(std::holds_alternative<InnerProductParams>(problem.params)),
        bias_(has_bias(problem)),
        relu_(problem.fused_relu),
        training_(problem.training),
        slope_(problem.relu_slope),
        order_(filter_order(problem)) {}

  [[nodiscard]] std::int64_t param_storage(std::size_t i) const override {
    return i == 0 ? geometry_.filter_count() : all_outputs();
  }
  void pack_param(std::size_t i, const float* plain, float* packed) const override {
    if (i > 0) {
      std::copy_n(plain, all_outputs(), packed);
    } else {
      order_.pack(plain, packed);
    }
  }
  void unpack_param(std::size_t i, const float* packed, float* plain) const override {
    if (i > 0) {
      std::copy_n(packed, all_outputs(), plain);
    } else {
      order_.unpack(packed, plain);
    }
  }
  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }
  bool take_value_slice(std::size_t) override { return true; }
  bool take_gradient_slice(std::size_t) override { return true; }

 protected:
  [[nodiscard]] std::int32_t all_outputs() const { return geometry_.groups * geometry_.outputs; }
  [[nodiscard]] std::int32_t x_pixels() const { return geometry_.n * geometry_.h * geometry_.w; }
  [[nodiscard]] std::int64_t y_count() const {
    return std::int64_t{geometry_.pixels()} * all_outputs();
  }
  [[nodiscard]] std::int64_t x_count() const {
    return std::int64_t{x_pixels()} * geometry_.groups * geometry_.channels;
  }
  // An inner product takes a whole image as one pixel.
  [[nodiscard]] std::int32_t pitch_of(const OpTensor& t) const {
    return flat_ ? index32(t.shape.count_from(1)) : pixel_pitch(t);
  }
  // y with bias and ReLU.
  [[nodiscard]] GemmOutput top_output() const {
    const OpTensor& y = binding_.tops[0];
    GemmOutput out =
        dense_output(y.data, geometry_.pixels(), geometry_.outputs, pitch_of(y), geometry_.outputs);
    out.bias = bias_ ? binding_.params[1] : nullptr;
    out.relu = relu_, out.slope = slope_;
    return out;
  }
  // Masks dy in place, and writes the bias gradient if it is wanted.
  void finish_gradient(float* partials) const {
    const OpTensor &y = binding_.tops[0], &dy = binding_.top_grads[0];
    const GradientRows rows{.dy = dy.data,
                            .rows = geometry_.pixels(),
                            .channels = all_outputs(),
                            .pitch = pitch_of(dy),
                            .y = relu_ ? y.data : nullptr,
                            .y_pitch = relu_ ? pitch_of(y) : 0,
                            .slope = slope_};
    mask_and_sum_gradient(stream_, rows, relu_ ? dy.data : nullptr,
                          bias_ ? binding_.param_grads[1] : nullptr, partials);
  }

  LinearGeometry geometry_;
  bool flat_, bias_, relu_, training_;
  float slope_;

 private:
  FilterOrder order_;
};

inline std::string supports_linear(const OpProblem& problem) {
  if (!std::holds_alternative<ConvolutionParams>(problem.params) &&
      !std::holds_alternative<InnerProductParams>(problem.params))
    return "another operation";
  return problem.relu_slope >= 0 ? "" : "a negative slope";
}

}  // namespace fovea::FOVEA_TARGET
