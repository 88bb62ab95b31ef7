#include "engine/check/layer_run.h"

#include <chrono>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"

namespace fovea {
namespace {

// Calls shorter than this are timed a second time, when everything is warm.
constexpr double kWorthAgain = 0.1;

using Memory = std::vector<DeviceBuffer<float>>;

template <class Work>
double seconds(Device& device, Work&& work) {
  device.synchronize();
  const auto start = std::chrono::steady_clock::now();
  work();
  device.synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Memory for a tensor in the layout that the operation asks for.
OpTensor place(Device& device, const Shape& shape, Layout layout, Memory& memory) {
  const OpTensor t{nullptr, shape, shape.rank() == 4 ? layout : Layout::kPlain};
  memory.emplace_back(device, static_cast<std::size_t>(storage_count(t.shape, t.layout)));
  return {memory.back().data(), t.shape, t.layout};
}

ChosenOp create(std::string_view device, const OpProblem& problem) {
  if (!std::holds_alternative<ConvolutionParams>(problem.params) || problem.tops.size() == 1)
    return create_op(device, problem);
  std::optional<ChosenOp> siblings = create_siblings(device, problem);
  expects(siblings.has_value(), "a device that runs siblings as one");
  return std::move(*siblings);
}

class Layer {
 public:
  Layer(std::string_view device, Device& memory, const OpProblem& problem)
      : device_(memory),
        problem_(problem),
        chosen_(create(device, problem)),
        counters_(memory, 1) {}

  void bind(const LayerInputs& inputs, bool backward) {
    Op& op = *chosen_.op;
    binding_.device = &device_;
    binding_.counters = counters_.data();
    for (std::size_t i = 0; i < problem_.bottoms.size(); ++i) {
      binding_.bottoms.push_back(place(device_, problem_.bottoms[i], op.bottom_layout(i), memory_));
      OpTensor gradient = binding_.bottoms[i];
      gradient.data = nullptr;
      if (backward && problem_.propagate[i])
        gradient = place(device_, problem_.bottoms[i], op.bottom_layout(i), memory_);
      binding_.bottom_grads.push_back(gradient);
    }
    for (std::size_t i = 0; i < problem_.tops.size(); ++i) {
      OpTensor top{binding_.bottoms[0].data, problem_.tops[i], binding_.bottoms[0].layout};
      if (!op.is_alias()) top = place(device_, problem_.tops[i], op.top_layout(i), memory_);
      binding_.tops.push_back(top);
      OpTensor gradient = top;
      gradient.data = nullptr;
      if (backward && !inputs.top_grads.empty())
        gradient = place(device_, problem_.tops[i], op.top_layout(i), memory_);
      binding_.top_grads.push_back(gradient);
    }
    for (std::size_t k = 0; k < inputs.params.size(); ++k) {
      std::vector<float> packed(static_cast<std::size_t>(op.param_storage(k)));
      op.pack_param(k, inputs.params[k].values.data(), packed.data());
      binding_.params.push_back(memory_.emplace_back(device_, packed.size()).data());
      device_.upload(binding_.params.back(), packed.data(), packed.size() * sizeof(float));
      binding_.param_grads.push_back(backward ? memory_.emplace_back(device_, packed.size()).data()
                                              : nullptr);
    }
    state_ = DeviceBuffer<std::byte>(device_, op.state_bytes());
    scratch_ = DeviceBuffer<std::byte>(device_, op.scratch_bytes());
    binding_.state = state_.data();
    binding_.scratch = scratch_.data();
    op.bind(binding_);
    op.params_changed();
    for (std::size_t i = 0; i < inputs.bottoms.size(); ++i)
      upload_plain(device_, inputs.bottoms[i].view(), binding_.bottoms[i]);
  }

  void forward(LayerOutputs& outputs) {
    outputs.implementation = chosen_.implementation;
    const auto call = [&] { return seconds(device_, [&] { chosen_.op->forward(0); }); };
    outputs.forward_s = call();
    if (outputs.forward_s < kWorthAgain) outputs.forward_s = call();
    for (const OpTensor& top : binding_.tops) outputs.tops.push_back(download_plain(device_, top));
  }

  void backward(const LayerInputs& inputs, LayerOutputs& outputs) {
    const auto call = [&] {
      // The call before may have overwritten them.
      for (std::size_t i = 0; i < inputs.top_grads.size(); ++i)
        upload_plain(device_, inputs.top_grads[i].view(), binding_.top_grads[i]);
      return seconds(device_, [&] { chosen_.op->backward(0); });
    };
    outputs.backward_s = call();
    if (outputs.backward_s < kWorthAgain) outputs.backward_s = call();
    for (const OpTensor& gradient : binding_.bottom_grads)
      outputs.bottom_grads.push_back(gradient.data ? download_plain(device_, gradient)
                                                   : Tensor<float>());
    for (std::size_t k = 0; k < inputs.params.size(); ++k) {
      std::vector<float> packed(static_cast<std::size_t>(chosen_.op->param_storage(k)));
      device_.download(packed.data(), binding_.param_grads[k], packed.size() * sizeof(float));
      Tensor<float>& plain = outputs.param_grads.emplace_back(inputs.params[k].shape);
      chosen_.op->unpack_param(k, packed.data(), plain.values.data());
    }
  }

 private:
  Device& device_;
  const OpProblem& problem_;
  ChosenOp chosen_;
  OpBinding binding_;
  Memory memory_;
  DeviceBuffer<StepCounters> counters_;
  DeviceBuffer<std::byte> state_, scratch_;
};

}  // namespace

LayerOutputs run_layer(std::string_view device, Device& memory, const OpProblem& problem,
                       const LayerInputs& inputs, bool backward) {
  const UseDevice use(memory);
  LayerOutputs outputs;
  Layer layer(device, memory, problem);
  layer.bind(inputs, backward);
  layer.forward(outputs);
  if (backward) layer.backward(inputs, outputs);
  return outputs;
}

}  // namespace fovea
