#include "tests/support/op_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/backend/registry.h"
#include "tests/support/layouts.h"

namespace fovea {
namespace {

constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();

// Memory of a device with the host's copy of it.
template <class T>
class Mirror {
 public:
  Mirror(Device& device, std::size_t count, T fill)
      : device_(&device),
        memory_(std::make_shared<DeviceBuffer<T>>(device, count)),
        host_(count, fill) {
    set(host_);
  }
  void set(const std::vector<T>& values) {
    expects(values.size() == memory_->size(), "values for the whole memory");
    if (!values.empty()) device_->upload(memory_->data(), values.data(), memory_->bytes());
  }
  void fill(T value) { set(std::vector<T>(memory_->size(), value)); }
  [[nodiscard]] std::vector<T> get() const {
    std::vector<T> values(memory_->size());
    if (!values.empty()) device_->download(values.data(), memory_->data(), memory_->bytes());
    return values;
  }
  [[nodiscard]] T* data() const { return memory_->data(); }

 private:
  Device* device_;
  std::shared_ptr<DeviceBuffer<T>> memory_;
  std::vector<T> host_;
};

// A tensor in some layout in a device's memory.
class Stored {
 public:
  Stored(Device& device, const Shape& shape, Layout layout)
      : shape_(shape),
        layout_(shape.rank() == 4 ? layout : Layout::kPlain),
        memory_(device, static_cast<std::size_t>(storage_count(shape_, layout_)), kPoison) {}
  // The same memory under another name.
  Stored(const Stored& other, const Shape& shape)
      : shape_(shape), layout_(other.layout_), memory_(other.memory_) {}

  void set(const Tensor<float>& plain) { memory_.set(pack(plain, layout_)); }
  void poison() { memory_.fill(kPoison); }
  [[nodiscard]] Tensor<float> get() const { return unpack(memory_.get(), shape_, layout_); }
  [[nodiscard]] OpTensor tensor() const { return {memory_.data(), shape_, layout_}; }

  void expect_zero_padding(const char* what) const {
    for (const float value : padding(memory_.get(), shape_, layout_)) {
      ASSERT_EQ(value, 0.0F) << "channel padding of " << what << " in " << layout_name(layout_);
    }
  }

 private:
  Shape shape_;
  Layout layout_;
  Mirror<float> memory_;
};

std::vector<OpTensor> tensors(const std::vector<Stored>& stored) {
  std::vector<OpTensor> list;
  for (const Stored& s : stored) list.push_back(s.tensor());
  return list;
}

struct Memory {
  std::vector<Stored> bottoms, tops, bottom_grads, top_grads;
  std::vector<Mirror<float>> params, param_grads;
  Mirror<std::byte> state, scratch;
  Mirror<StepCounters> counters;
};

Memory make_memory(Device& device, const OpProblem& problem, const Op& op, const OpInputs& inputs,
                   const RunConditions& conditions) {
  Memory m{.bottoms = {},
           .tops = {},
           .bottom_grads = {},
           .top_grads = {},
           .params = {},
           .param_grads = {},
           .state = {device, op.state_bytes(), std::byte{0xFF}},
           .scratch = {device, op.scratch_bytes(), std::byte{0xFF}},
           .counters = {device, 1, {.iteration = conditions.iteration}}};
  const bool shares_values = op.is_alias() || (conditions.in_place && !op.backward_reads_bottoms());
  for (std::size_t i = 0; i < problem.bottoms.size(); ++i) {
    m.bottoms.emplace_back(device, problem.bottoms[i], op.bottom_layout(i));
    m.bottoms[i].set(inputs.bottoms[i]);
    m.bottom_grads.emplace_back(device, problem.bottoms[i], op.bottom_layout(i));
  }
  for (std::size_t i = 0; i < problem.tops.size(); ++i) {
    const Shape& shape = problem.tops[i];
    m.tops.push_back(shares_values ? Stored(m.bottoms[0], shape)
                                   : Stored(device, shape, op.top_layout(i)));
    // Only top 0 may share its gradient's memory (op.h).
    m.top_grads.push_back(conditions.in_place && i == 0 ? Stored(m.bottom_grads[0], shape)
                                                        : Stored(device, shape, op.top_layout(i)));
  }
  for (std::size_t k = 0; k < inputs.params.size(); ++k) {
    const auto count = static_cast<std::size_t>(op.param_storage(k));
    std::vector<float> packed(count);
    op.pack_param(k, inputs.params[k].values.data(), packed.data());
    m.params.emplace_back(device, count, 0.0F);
    m.params[k].set(packed);
    m.param_grads.emplace_back(device, count, kPoison);
  }
  return m;
}

OpBinding make_binding(Device& device, const OpProblem& problem, const OpInputs& inputs,
                       const RunConditions& conditions, Memory& m) {
  OpBinding binding{.device = &device,
                    .counters = m.counters.data(),
                    .bottoms = tensors(m.bottoms),
                    .tops = tensors(m.tops),
                    .bottom_grads = tensors(m.bottom_grads),
                    .top_grads = tensors(m.top_grads),
                    .params = {},
                    .param_grads = {},
                    .state = m.state.data(),
                    .scratch = m.scratch.data()};
  for (std::size_t i = 0; i < binding.bottom_grads.size(); ++i) {
    if (!problem.training || !problem.propagate[i]) binding.bottom_grads[i].data = nullptr;
  }
  for (OpTensor& gradient : binding.top_grads) {
    if (!problem.training || inputs.top_grads.empty()) gradient.data = nullptr;
  }
  for (std::size_t k = 0; k < m.params.size(); ++k) {
    const bool wanted =
        problem.training && conditions.wants_param_grads && k != conditions.frozen_param;
    binding.params.push_back(m.params[k].data());
    binding.param_grads.push_back(wanted ? m.param_grads[k].data() : nullptr);
  }
  return binding;
}

// Implementations of the kernels' targets are named after their device, those of cuDNN and cuBLAS
// after their library.
std::shared_ptr<Device> device_of(const Implementation& implementation, const std::string& asked) {
  if (!asked.empty()) return open_device(asked);
  const std::string_view target = implementation.name.substr(0, implementation.name.find(':'));
  if (target == "cudnn" || target == "cublas") return open_device("cudnn");
  return open_device(target == "emulated" || target == "cuda" ? target : "cpu");
}

}  // namespace

OpOutputs run_op(const OpProblem& problem, const Implementation& implementation,
                 const OpInputs& inputs, const RunConditions& conditions) {
  const std::shared_ptr<Device> device = device_of(implementation, conditions.device);
  const auto op = implementation.create(problem);
  Memory m = make_memory(*device, problem, *op, inputs, conditions);
  const OpBinding binding = make_binding(*device, problem, inputs, conditions, m);
  op->bind(binding);
  if (conditions.share) dynamic_cast<SharesBatch&>(*op).set_share(*conditions.share);
  op->params_changed();
  op->forward(conditions.iteration);

  OpOutputs outputs;
  for (const Stored& top : m.tops) {
    outputs.tops.push_back(top.get());
    top.expect_zero_padding("a top");
  }
  if (!problem.training) return outputs;

  const bool shared = m.tops[0].tensor().data == m.bottoms[0].tensor().data;
  m.scratch.fill(std::byte{0xFF});
  for (Stored& bottom : m.bottoms) {
    if (!shared && !op->backward_reads_bottoms()) bottom.poison();
  }
  for (Stored& top : m.tops) {
    if (!shared && !op->backward_reads_tops()) top.poison();
  }
  for (std::size_t i = 0; i < inputs.top_grads.size(); ++i) m.top_grads[i].set(inputs.top_grads[i]);
  op->backward(conditions.iteration);

  for (std::size_t i = 0; i < m.bottom_grads.size(); ++i) {
    if (!binding.bottom_grads[i].data) continue;
    outputs.bottom_grads.push_back(m.bottom_grads[i].get());
    m.bottom_grads[i].expect_zero_padding("a bottom gradient");
  }
  for (std::size_t k = 0; conditions.wants_param_grads && k < m.params.size(); ++k) {
    if (k == conditions.frozen_param) continue;
    const std::vector<float> packed = m.param_grads[k].get();
    for (const float value : packed) {
      EXPECT_FALSE(std::isnan(value)) << "gradient storage of parameter " << k << " left unwritten";
    }
    outputs.param_grads.emplace_back(inputs.params[k].shape);
    op->unpack_param(k, packed.data(), outputs.param_grads.back().values.data());
  }
  return outputs;
}

}  // namespace fovea
