// What convolution and inner product share: parameters, and the gradient in front of the products.
#pragma once

#include "kernels/cuda/filter_order.h"
#include "kernels/cudnn/bias_relu.h"

namespace fovea::cudnn {

// The mask of a fused ReLU and the bias gradient are our own kernels, as in our own operations.
class LinearOp : public LibraryOp {
 public:
  explicit LinearOp(const OpProblem& problem)
      : LibraryOp(problem),
        order_(filter_order(problem)),
        bias_(has_bias(problem)),
        relu_(problem.fused_relu),
        training_(problem.training),
        slope_(problem.relu_slope),
        rows_(static_cast<std::int32_t>(problem.tops[0].count() / problem.tops[0].c())),
        bias_relu_(problem.tops[0], bias_, relu_) {}

  [[nodiscard]] std::int64_t param_storage(std::size_t i) const override {
    return i == 0 ? order_.count() : order_.outputs;
  }
  void pack_param(std::size_t i, const float* plain, float* packed) const override {
    i == 0 ? order_.pack(plain, packed) : (void)std::copy_n(plain, order_.outputs, packed);
  }
  void unpack_param(std::size_t i, const float* packed, float* plain) const override {
    i == 0 ? order_.unpack(packed, plain) : (void)std::copy_n(packed, order_.outputs, plain);
  }
  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }

 protected:
  [[nodiscard]] std::size_t partial_bytes() const {
    if (!training_) return 0;
    return static_cast<std::size_t>(support().gradient_partials(rows_, outputs())) * sizeof(float);
  }
  void add_bias_and_relu() const {
    bias_relu_.run(cudnn(), bias_ ? binding_.params[1] : nullptr, binding_.tops[0].data);
  }
  void mask_and_sum(std::byte* partials) const {
    support().mask_and_sum(*binding_.device,
                           {.dy = binding_.top_grads[0].data,
                            .rows = rows_,
                            .channels = outputs(),
                            .y = relu_ ? binding_.tops[0].data : nullptr,
                            .slope = slope_,
                            .db = bias_ ? binding_.param_grads[1] : nullptr},
                           reinterpret_cast<float*>(partials));
  }
  [[nodiscard]] std::int32_t outputs() const { return static_cast<std::int32_t>(order_.outputs); }
  // Parts of scratch start at multiples of this, counted from the first one in it.
  static constexpr std::size_t kPart = 256;
  [[nodiscard]] static std::size_t whole_parts(std::size_t bytes) {
    return (bytes + kPart - 1) / kPart * kPart;
  }
  [[nodiscard]] std::byte* scratch() const {
    const auto at = reinterpret_cast<std::uintptr_t>(binding_.scratch);
    return binding_.scratch + (whole_parts(at) - at);
  }

  FilterOrder order_;
  bool bias_, relu_, training_;
  float slope_;
  std::int32_t rows_;  // N P Q

 private:
  BiasRelu bias_relu_;
};

}  // namespace fovea::cudnn
