// Convolution by cuDNN's graphs, fused with bias and ReLU where an engine does that.
//
//   fp32, tf32: operands as they lie; tf32 is the tensor cores' own rounding
//   bf16: x, w and dy are copied to scratch and rounded once, as our own kernels do it; sums and
//   results are single precision in all three
#include <optional>

#include "kernels/cudnn/convolution_plans.h"
#include "kernels/cudnn/linear.h"

namespace fovea::cudnn {
namespace {

ConvolutionCase case_of(const OpProblem& problem, Precision operands) {
  ConvolutionCase c{.params = std::get<ConvolutionParams>(problem.params),
                    .x = problem.bottoms[0],
                    .y = problem.tops[0],
                    .operands = operands,
                    .relu = problem.fused_relu,
                    .weights = problem.training,
                    .data = problem.training && problem.propagate[0],
                    .exact_zeros = problem.exact_zeros};
  c.params.weight_filler = c.params.bias_filler = {};
  return c;
}
Precision operands_of(const OpProblem& problem) {
  return std::min(problem.precision, Precision::kTf32);
}

class ConvolutionOp final : public LinearOp {
 public:
  ConvolutionOp(const OpProblem& problem, Precision operands)
      : LinearOp(problem),
        plans_(take_plans(case_of(problem, operands))),
        rounds_(operands == Precision::kBf16),
        x_count_(problem.bottoms[0].count()),
        y_count_(problem.tops[0].count()) {
    // Scratch: x, w and dy rounded, then the libraries' workspace or partial sums.
    if (rounds_) {
      w_at_ = bytes_of(x_count_);
      dy_at_ = w_at_ + bytes_of(order_.count());
      rest_at_ = dy_at_ + (training_ ? bytes_of(y_count_) : 0);
    }
  }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return kPart + rest_at_ + std::max(plans_->workspace_bytes(), partial_bytes());
  }

  void bind(const OpBinding& binding) override {
    LinearOp::bind(binding);
    float *x = binding_.bottoms[0].data, *w = binding_.params[0];
    const auto operand = [&](float* plain, std::size_t at) -> void* {
      return rounds_ ? static_cast<void*>(scratch() + at) : plain;
    };
    void* workspace = scratch() + rest_at_;
    std::vector<BoundTensor> tensors{
        {kX, operand(x, 0)}, {kW, operand(w, w_at_)}, {kY, binding_.tops[0].data}};
    if (plans_->fused && bias_) tensors.push_back({kB, binding_.params[1]});
    forward_.emplace(plans_->forward, tensors, workspace);
    backward_data_.reset(), backward_weights_.reset();
    if (!training_) return;
    void* dy = operand(binding_.top_grads[0].data, dy_at_);
    if (float* dx = binding_.bottom_grads[0].data) {
      tensors = {{kX, dx}, {kW, operand(w, w_at_)}, {kY, dy}};
      backward_data_.emplace(plans_->backward_data, tensors, workspace);
    }
    if (float* dw = binding_.param_grads[0]) {
      tensors = {{kX, operand(x, 0)}, {kW, dw}, {kY, dy}};
      backward_weights_.emplace(plans_->backward_weights, tensors, workspace);
    }
  }

  void forward(std::uint64_t) override {
    round(binding_.bottoms[0].data, 0, x_count_);
    round(binding_.params[0], w_at_, order_.count());
    forward_->run(cudnn());
    if (!plans_->fused) add_bias_and_relu();
  }

  void backward(std::uint64_t) override {
    mask_and_sum(scratch() + rest_at_);
    if (!backward_data_ && !backward_weights_) return;
    round(binding_.top_grads[0].data, dy_at_, y_count_);
    if (backward_data_) {
      round(binding_.params[0], w_at_, order_.count());
      backward_data_->run(cudnn());
    }
    if (backward_weights_) {
      round(binding_.bottoms[0].data, 0, x_count_);
      backward_weights_->run(cudnn());
    }
  }

 private:
  static std::size_t bytes_of(std::int64_t count) {
    return whole_parts(static_cast<std::size_t>(count) * sizeof(std::uint16_t));
  }
  void round(const float* from, std::size_t at, std::int64_t count) const {
    if (rounds_)
      support().round_to_bf16(*binding_.device, from,
                              reinterpret_cast<std::uint16_t*>(scratch() + at), count);
  }

  std::shared_ptr<const ConvolutionPlans> plans_;
  bool rounds_;
  std::int64_t x_count_, y_count_;
  std::size_t w_at_ = 0, dy_at_ = 0, rest_at_ = 0;
  std::optional<BoundPlan> forward_, backward_data_, backward_weights_;
};

std::string supports(const OpProblem& problem, Precision operands) {
  const auto* p = std::get_if<ConvolutionParams>(&problem.params);
  if (!p) return "another operation";
  // cuDNN's activation behind a product that is not fused has no slope.
  if (problem.fused_relu && problem.relu_slope != 0) return "a leaky ReLU";
  if (operands == Precision::kBf16) {
    if (problem.precision < Precision::kBf16) return "a finer precision";
    // Copies would have to be padded, and weight gradients copied out of the padding again.
    if (problem.bottoms[0].c() / p->groups % 8 != 0 || p->outputs / p->groups % 8 != 0)
      return "channels that are no multiple of 8";
  }
  return find_plans(case_of(problem, operands)).reason;
}

std::string supports_single(const OpProblem& problem) {
  return supports(problem, operands_of(problem));
}
std::string supports_bf16(const OpProblem& problem) { return supports(problem, Precision::kBf16); }
std::unique_ptr<Op> create_single(const OpProblem& problem) {
  return std::make_unique<ConvolutionOp>(problem, operands_of(problem));
}
std::unique_ptr<Op> create_bf16(const OpProblem& problem) {
  return std::make_unique<ConvolutionOp>(problem, Precision::kBf16);
}

}  // namespace

extern const Implementation kConvolution, kConvolutionBf16;
const Implementation kConvolution{"cudnn:convolution", supports_single, create_single,
                                  Origin::kLibrary};
const Implementation kConvolutionBf16{"cudnn:convolution_bf16", supports_bf16, create_bf16,
                                      Origin::kLibrary};

}  // namespace fovea::cudnn
