#include "engine/backend/op_trial.h"

namespace fovea {
namespace {

std::size_t parameters(const OpProblem& problem) {
  return std::visit(
      [](const auto& p) -> std::size_t {
        if constexpr (requires { p.bias; }) return p.bias ? 2 : 1;
        return 0;
      },
      problem.params);
}

double bytes_of(const Shape& shape) { return static_cast<double>(shape.count()) * sizeof(float); }

}  // namespace

OpTrial::OpTrial(Device& device, const OpProblem& problem, std::unique_ptr<Op> op)
    : device_(device), op_(std::move(op)), training_(problem.training) {
  OpBinding binding{.device = &device_};
  binding.counters = reinterpret_cast<const StepCounters*>(zeros(sizeof(StepCounters)));
  for (std::size_t i = 0; i < problem.bottoms.size(); ++i) {
    const Layout layout = op_->bottom_layout(i);
    const bool gradient = training_ && problem.propagate[i];
    binding.bottoms.push_back(tensor(problem.bottoms[i], layout));
    binding.bottom_grads.push_back(gradient ? tensor(problem.bottoms[i], layout)
                                            : OpTensor{nullptr, problem.bottoms[i], layout});
    bottom_bytes_ += bytes_of(problem.bottoms[i]);
    if (gradient) bottom_grad_bytes_ += bytes_of(problem.bottoms[i]);
  }
  for (std::size_t i = 0; i < problem.tops.size(); ++i) {
    const Layout layout = op_->top_layout(i);
    binding.tops.push_back(op_->is_alias() ? binding.bottoms[0] : tensor(problem.tops[i], layout));
    binding.top_grads.push_back(training_ ? tensor(problem.tops[i], layout)
                                          : OpTensor{nullptr, problem.tops[i], layout});
    top_bytes_ += bytes_of(problem.tops[i]);
  }
  for (std::size_t k = 0; k < parameters(problem); ++k) {
    const auto count = static_cast<std::size_t>(op_->param_storage(k));
    binding.params.push_back(values(count));
    binding.param_grads.push_back(training_ ? values(count) : nullptr);
    param_bytes_ += static_cast<double>(count) * sizeof(float);
  }
  binding.state = zeros(op_->state_bytes());
  binding.scratch = zeros(op_->scratch_bytes());
  op_->bind(binding);
  op_->params_changed();
}

double OpTrial::forward_bytes() const {
  return bottom_bytes_ + top_bytes_ + param_bytes_ +
         (training_ ? static_cast<double>(op_->state_bytes()) : 0);
}

double OpTrial::backward_bytes() const {
  return top_bytes_ + bottom_grad_bytes_ + 2 * param_bytes_ +
         (op_->backward_reads_bottoms() ? bottom_bytes_ : 0) +
         (op_->backward_reads_tops() ? top_bytes_ : 0) + static_cast<double>(op_->state_bytes());
}

std::byte* OpTrial::zeros(std::size_t bytes) {
  return buffers_.emplace_back(device_, bytes + 1).data();
}

float* OpTrial::values(std::size_t floats) {
  std::vector<float> random(floats);
  for (std::size_t i = 0; i < floats; ++i)
    random[i] = static_cast<float>(i * 2654435761U % 1024) / 1024.0F - 0.3F;
  std::byte* memory = zeros(floats * sizeof(float));
  device_.upload(memory, random.data(), floats * sizeof(float));
  return reinterpret_cast<float*>(memory);
}

OpTensor OpTrial::tensor(const Shape& shape, Layout layout) {
  return {values(static_cast<std::size_t>(storage_count(shape, layout))), shape, layout};
}

}  // namespace fovea
