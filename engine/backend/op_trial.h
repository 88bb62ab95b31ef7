// One operation by itself on a device, with memory of its own: what it takes to time it.
#pragma once

#include <memory>
#include <vector>

#include "kernels/ops/op.h"

namespace fovea {

// Values are the same pseudo-random ones between -0.3 and 0.7 everywhere; speed does not depend on
// them. `device` must outlive it. Operations with labels are not for it.
class OpTrial {
 public:
  OpTrial(Device& device, const OpProblem& problem, std::unique_ptr<Op> op);

  [[nodiscard]] Device& device() const { return device_; }
  [[nodiscard]] bool training() const { return training_; }
  void forward() const { op_->forward(0); }
  void backward() const { op_->backward(0); }  // training, and behind a forward()

  // Bytes that a pass has to move at least: each value, parameter, gradient and state that it needs
  // once.
  [[nodiscard]] double forward_bytes() const;
  [[nodiscard]] double backward_bytes() const;

 private:
  std::byte* zeros(std::size_t bytes);
  float* values(std::size_t floats);
  OpTensor tensor(const Shape& shape, Layout layout);

  Device& device_;
  std::vector<DeviceBuffer<std::byte>> buffers_;
  std::unique_ptr<Op> op_;
  bool training_;
  double bottom_bytes_ = 0, top_bytes_ = 0, param_bytes_ = 0, bottom_grad_bytes_ = 0;
};

}  // namespace fovea
