// Runs an operation on the emulated device, from plain tensors to plain tensors; results and
// scratch are NaN before.
#pragma once

#include <memory>
#include <vector>

#include "engine/core/tensor.h"
#include "kernels/cuda/implementations.h"
#include "kernels/ops/op.h"
#include "tests/support/layouts.h"
#include "tests/support/op_runner.h"

namespace fovea {

inline const Implementation& emulated_implementation(std::string_view name) {
  static const Target target = emulated::target();
  for (const Implementation* candidate : target.implementations) {
    if (candidate->name == name) return *candidate;
  }
  throw Error(str("no implementation ", name));
}

class DeviceOpRunner {
 public:
  explicit DeviceOpRunner(std::string_view name)
      : implementation_(emulated_implementation(name)), device_(emulated::target().open(0)) {}

  OpOutputs run(const OpProblem& problem, const OpInputs& inputs) {
    const auto op = implementation_.create(problem);
    OpBinding b;
    b.device = device_.get();
    std::vector<std::size_t> counts;
    for (std::size_t i = 0; i < problem.bottoms.size(); ++i) {
      const Layout layout = op->bottom_layout(i);
      b.bottoms.push_back(place(problem.bottoms[i], layout, &inputs.bottoms[i]));
      b.bottom_grads.push_back(problem.training && problem.propagate[i]
                                   ? place(problem.bottoms[i], layout, nullptr)
                                   : OpTensor{nullptr, problem.bottoms[i], layout});
    }
    for (std::size_t i = 0; i < problem.tops.size(); ++i) {
      const Layout layout = op->top_layout(i);
      b.tops.push_back(place(problem.tops[i], layout, nullptr));
      b.top_grads.push_back(
          place(problem.tops[i], layout, problem.training ? &inputs.top_grads[i] : nullptr));
    }
    for (std::size_t k = 0; k < inputs.params.size(); ++k) {
      const auto count = static_cast<std::size_t>(op->param_storage(k));
      std::vector<float> packed(count);
      op->pack_param(k, inputs.params[k].values.data(), packed.data());
      b.params.push_back(upload(packed));
      b.param_grads.push_back(upload(std::vector<float>(count, kPoison)));
    }
    b.state = bytes(op->state_bytes());
    b.scratch = bytes(op->scratch_bytes());
    op->bind(b);
    op->params_changed();
    op->forward(0);
    OpOutputs outputs;
    for (const OpTensor& top : b.tops) outputs.tops.push_back(fetch(top));
    if (problem.training) {
      op->backward(0);
      for (const OpTensor& dx : b.bottom_grads) {
        if (dx.data) outputs.bottom_grads.push_back(fetch(dx));
      }
      for (std::size_t k = 0; k < inputs.params.size(); ++k) {
        std::vector<float> packed(static_cast<std::size_t>(op->param_storage(k)));
        device_->download(packed.data(), b.param_grads[k], packed.size() * sizeof(float));
        outputs.param_grads.emplace_back(inputs.params[k].shape);
        op->unpack_param(k, packed.data(), outputs.param_grads.back().values.data());
      }
    }
    memory_.clear();
    return outputs;
  }

 private:
  static constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();

  float* upload(const std::vector<float>& values) {
    auto* data = reinterpret_cast<float*>(bytes(values.size() * sizeof(float)));
    device_->upload(data, values.data(), values.size() * sizeof(float));
    return data;
  }
  std::byte* bytes(std::size_t count) {
    memory_.emplace_back(*device_, count);
    const std::vector<std::byte> poison(count, std::byte{0xFF});
    device_->upload(memory_.back().data(), poison.data(), count);
    return memory_.back().data();
  }
  OpTensor place(const Shape& shape, Layout layout, const Tensor<float>* values) {
    const auto count = static_cast<std::size_t>(storage_count(shape, layout));
    return {upload(values ? pack(*values, layout) : std::vector<float>(count, kPoison)), shape,
            layout};
  }
  Tensor<float> fetch(const OpTensor& t) {
    std::vector<float> stored(static_cast<std::size_t>(storage_count(t.shape, t.layout)));
    device_->download(stored.data(), t.data, stored.size() * sizeof(float));
    return unpack(stored, t.shape, t.layout);
  }

  const Implementation& implementation_;
  std::shared_ptr<Device> device_;
  std::vector<DeviceBuffer<std::byte>> memory_;
};

}  // namespace fovea
