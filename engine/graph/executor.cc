#include "engine/graph/executor.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/graph/execution_memory.h"
#include "engine/graph/plan.h"
#include "engine/graph/step_bytes.h"
#include "kernels/ops/batch_share.h"

namespace fovea {
namespace {

// A learnable parameter: which step owns it, where it lies.
struct Param {
  const ParamInfo* info;
  const Op* op;
  std::size_t slot;
  std::size_t offset;  // floats, in params and grads
  std::size_t count;   // packed floats
};

}  // namespace

struct Executor::Impl {
  Graph graph;
  ExecutorOptions options;
  std::shared_ptr<Device> device;
  Plan plan;
  ExecutionMemory memory;
  DeviceBuffer<std::byte> arena;
  DeviceBuffer<float> params, grads;
  DeviceBuffer<StepCounters> counters;
  StepCounters host_counters;  // here as long as a recording may read them
  std::vector<Tensor<float>> staged;  // inputs, where the device's memory is not the host's
  std::vector<Param> param_table;
  bool inputs_kept = false;
  std::uint64_t iteration = 0;                        // of the pass that runs
  std::function<void()> forward_pass, backward_pass;  // empty before the first
  std::map<std::pair<std::size_t, std::size_t>, std::function<void()>> backward_parts;

  Impl(Graph g, const ExecutorOptions& o)
      : graph(std::move(g)),
        options(o),
        device(open_device(options.device)),
        plan(planned()),
        memory(plan_memory(graph, plan, options)),
        arena(*device, memory.bytes),
        counters(*device, 1) {
    for (const int id : graph.inputs) {
      const bool direct = device->host_memory();
      staged.push_back(direct ? Tensor<float>() : Tensor<float>(graph_value(id).shape));
    }
    const UseDevice use(*device);
    inputs_kept = options.device_inputs;
    collect_params();
    for (std::size_t s = 0; s < plan.steps.size(); ++s) {
      if (plan.steps[s].op) plan.steps[s].op->bind(binding_of(s));
    }
  }

  [[nodiscard]] Plan planned() const {
    const UseDevice use(*device);
    return make_plan(graph, options);
  }

  void collect_params() {
    std::map<const ParamInfo*, std::pair<const Op*, std::size_t>> owners;  // and their slots
    for (const PlannedStep& step : plan.steps) {
      std::size_t slot = 0;
      for (const int index : step.nodes) {
        for (const ParamInfo& param : graph.nodes[static_cast<std::size_t>(index)].params)
          owners[&param] = {step.op.get(), slot++};
      }
    }
    std::size_t floats = 0;
    for (const Node& node : graph.nodes) {
      for (const ParamInfo& param : node.params) {
        const auto [op, slot] = owners.at(&param);
        const auto count = static_cast<std::size_t>(op->param_storage(slot));
        param_table.push_back({&param, op, slot, floats, count});
        floats += aligned(count * sizeof(float)) / sizeof(float);
      }
    }
    params = DeviceBuffer<float>(*device, floats);
    if (options.training) grads = DeviceBuffer<float>(*device, floats);
  }

  [[nodiscard]] OpTensor value(int id) const {
    const PlannedTensor& t = plan.tensors[static_cast<std::size_t>(id)];
    std::byte* data = arena.data() + memory.values[static_cast<std::size_t>(t.storage)];
    return {reinterpret_cast<float*>(data) + t.offset, t.shape, t.layout, t.pitch};
  }
  [[nodiscard]] OpTensor gradient(int id) const {
    const PlannedTensor& t = plan.tensors[static_cast<std::size_t>(id)];
    if (t.grad_storage < 0) return {nullptr, t.shape, t.layout};
    std::byte* data = arena.data() + memory.gradients[static_cast<std::size_t>(t.grad_storage)];
    return {reinterpret_cast<float*>(data) + t.grad_offset, t.shape, t.layout, t.grad_pitch};
  }
  [[nodiscard]] OpTensor graph_value(int id) const {
    return value(plan.of_graph_tensor[static_cast<std::size_t>(id)]);
  }

  [[nodiscard]] OpBinding binding_of(std::size_t s) const {
    const PlannedStep& step = plan.steps[s];
    OpBinding binding{.device = device.get(), .counters = counters.data()};
    for (const int id : step.bottoms) {
      binding.bottoms.push_back(value(id));
      binding.bottom_grads.push_back(gradient(id));
    }
    for (const int id : step.tops) {
      binding.tops.push_back(value(id));
      binding.top_grads.push_back(gradient(id));
    }
    for (const Param& param : param_table) {
      if (param.op != step.op.get()) continue;
      binding.params.push_back(params.data() + param.offset);
      binding.param_grads.push_back(options.training ? grads.data() + param.offset : nullptr);
    }
    binding.state = arena.data() + memory.states[s];
    binding.scratch = arena.data() + memory.scratch;
    return binding;
  }

  // Parameter k of a packed array of all of them, in Caffe's plain order.
  [[nodiscard]] std::vector<float> plain_param(std::size_t k, const float* packed) const;

  void params_updated() {
    for (PlannedStep& step : plan.steps) {
      if (step.op) step.op->params_changed();
    }
  }

  // What the host has put into the inputs and what changes from step to step.
  void upload() {
    if (device->host_memory()) return;
    for (std::size_t i = 0; i < staged.size() && !inputs_kept; ++i) {
      const std::vector<float>& values = staged[i].values;
      device->upload(graph_value(graph.inputs[i]).data, values.data(),
                     values.size() * sizeof(float));
    }
    host_counters = {.iteration = iteration};
    device->upload(counters.data(), &host_counters, sizeof host_counters);
  }

  void forward(const PlannedStep& step) const {
    if (step.op) {
      step.op->forward(iteration);
    } else {
      device->reorder(value(step.bottoms[0]), value(step.tops[0]));
    }
  }
  void backward(const PlannedStep& step) const {
    if (!step.run_backward) return;
    if (step.op) {
      step.op->backward(iteration);
    } else {
      device->reorder(gradient(step.tops[0]), gradient(step.bottoms[0]));
    }
  }

  // The first time as it is, then as the device has recorded it.
  void run(std::function<void()>& recorded, const std::function<void()>& pass) {
    const UseDevice use(*device);
    if (recorded) return recorded();
    recorded = device->record(pass);
  }
};

Executor::Executor(Graph graph, const ExecutorOptions& options)
    : impl_(std::make_unique<Impl>(std::move(graph), options)) {}
Executor::~Executor() = default;

const Graph& Executor::graph() const { return impl_->graph; }
Device& Executor::device() const { return *impl_->device; }
bool Executor::training() const { return impl_->options.training; }
bool Executor::device_inputs() const { return impl_->options.device_inputs; }

std::vector<StepInfo> Executor::steps() const {
  std::vector<StepInfo> list;
  for (const PlannedStep& step : impl_->plan.steps) {
    const PlannedTensor& top = impl_->plan.tensors[static_cast<std::size_t>(step.tops[0])];
    list.push_back(
        {.nodes = step.nodes,
         .label = step.label,
         .implementation = std::string(step.implementation),
         .layout = std::string(layout_name(top.layout)),
         .joined = top.is_slice,
         .alias = step.op && step.op->is_alias(),
         .backward = step.run_backward,
         .forward_bytes = forward_bytes(impl_->graph, impl_->plan, step, impl_->options.training),
         .backward_bytes = backward_bytes(impl_->graph, impl_->plan, step)});
  }
  return list;
}

std::size_t Executor::arena_bytes() const { return impl_->arena.size(); }
std::size_t Executor::peak_bytes() const {
  return impl_->arena.size() + (impl_->params.size() + impl_->grads.size()) * sizeof(float);
}

std::size_t Executor::param_count() const { return impl_->param_table.size(); }
const ParamInfo& Executor::param_info(std::size_t k) const {
  return *impl_->param_table.at(k).info;
}

void Executor::set_param(std::size_t k, std::span<const float> values) {
  const std::span<float> to = packed_param(k);
  if (device().host_memory()) return pack(k, values, to);
  std::vector<float> packed(to.size());
  pack(k, values, packed);
  device().upload(to.data(), packed.data(), to.size_bytes());
}
std::vector<float> Executor::Impl::plain_param(std::size_t k, const float* packed) const {
  const Param& p = param_table.at(k);
  std::vector<float> host(p.count), plain(static_cast<std::size_t>(p.info->shape.count()));
  device->download(host.data(), packed + p.offset, p.count * sizeof(float));
  p.op->unpack_param(p.slot, host.data(), plain.data());
  return plain;
}
std::vector<float> Executor::param(std::size_t k) const {
  return impl_->plain_param(k, impl_->params.data());
}
std::vector<float> Executor::param_grad(std::size_t k) const {
  expects(impl_->options.training, "a training executor has gradients");
  return impl_->plain_param(k, impl_->grads.data());
}

std::span<float> Executor::packed_param(std::size_t k) {
  const Param& p = impl_->param_table.at(k);
  return {impl_->params.data() + p.offset, p.count};
}
std::span<float> Executor::packed_grad(std::size_t k) {
  const Param& p = impl_->param_table.at(k);
  expects(impl_->options.training, "a training executor has gradients");
  return {impl_->grads.data() + p.offset, p.count};
}
void Executor::params_updated() { impl_->params_updated(); }

void Executor::pack(std::size_t k, std::span<const float> plain, std::span<float> packed) const {
  const Param& p = impl_->param_table.at(k);
  require(static_cast<std::int64_t>(plain.size()) == p.info->shape.count(), "wrong size for ",
          p.info->name, ": ", plain.size(), " values, expected ", p.info->shape);
  expects(packed.size() == p.count, "packed storage of the planned size");
  p.op->pack_param(p.slot, plain.data(), packed.data());
}
void Executor::unpack(std::size_t k, std::span<const float> packed, std::span<float> plain) const {
  const Param& p = impl_->param_table.at(k);
  expects(
      packed.size() == p.count && static_cast<std::int64_t>(plain.size()) == p.info->shape.count(),
      "parameter storages of the planned sizes");
  p.op->unpack_param(p.slot, packed.data(), plain.data());
}

TensorView<float> Executor::input(const std::string& name) {
  for (std::size_t i = 0; i < impl_->graph.inputs.size(); ++i) {
    const int id = impl_->graph.inputs[i];
    if (impl_->graph.tensors[static_cast<std::size_t>(id)].blob != name) continue;
    if (!device().host_memory()) return impl_->staged[i].view();
    const OpTensor tensor = impl_->graph_value(id);
    return {tensor.data, tensor.shape};
  }
  throw Error(str("unknown input '", name, "' of net ", impl_->graph.name));
}

void Executor::keep_inputs() { impl_->inputs_kept = true; }

void Executor::share_batch(int node, const BatchShare& share) {
  for (const PlannedStep& step : impl_->plan.steps) {
    if (std::ranges::count(step.nodes, node) == 0) continue;
    auto* op = dynamic_cast<SharesBatch*>(step.op.get());
    require(
        op != nullptr, "layer ", step.label, ": ", step.implementation,
        " knows no part of a batch, expected an operation that does (kernels/ops/batch_share.h)");
    op->set_share(share);
  }
}

void Executor::forward(std::uint64_t iteration) {
  impl_->iteration = iteration;
  impl_->upload();
  impl_->run(impl_->forward_pass, [impl = impl_.get()] {
    for (const PlannedStep& step : impl->plan.steps) impl->forward(step);
  });
}
void Executor::backward(std::uint64_t iteration) {
  expects(impl_->options.training, "backward needs a training executor");
  impl_->iteration = iteration;
  impl_->run(impl_->backward_pass, [impl = impl_.get()] {
    const std::vector<PlannedStep>& steps = impl->plan.steps;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) impl->backward(*step);
  });
}
void Executor::backward_part(std::size_t first, std::size_t end, std::uint64_t iteration) {
  expects(impl_->options.training, "backward needs a training executor");
  impl_->iteration = iteration;
  impl_->run(impl_->backward_parts[{first, end}], [impl = impl_.get(), first, end] {
    for (std::size_t step = end; step-- > first;) impl->backward(impl->plan.steps.at(step));
  });
}
void Executor::forward_step(std::size_t step, std::uint64_t iteration) {
  impl_->iteration = iteration;
  if (step == 0) impl_->upload();
  const UseDevice use(device());
  impl_->forward(impl_->plan.steps.at(step));
}
void Executor::backward_step(std::size_t step, std::uint64_t iteration) {
  expects(impl_->options.training, "backward needs a training executor");
  impl_->iteration = iteration;
  const UseDevice use(device());
  impl_->backward(impl_->plan.steps.at(step));
}

double Executor::loss() const {
  double sum = 0;
  for (const Node& node : impl_->graph.nodes) {
    if (const auto* loss = std::get_if<SoftmaxLossParams>(&node.op)) {
      float value = 0;
      device().download(&value, impl_->graph_value(node.tops[0]).data, sizeof value);
      sum += static_cast<double>(loss->loss_weight) * value;
    }
  }
  return sum;
}

OpTensor Executor::raw(int id) const { return impl_->graph_value(id); }

Tensor<float> Executor::tensor(int id) const {
  const OpTensor from = impl_->graph_value(id);
  Tensor<float> plain(from.shape);
  if (device().host_memory()) {
    device().reorder(from, {plain.values.data(), plain.shape, Layout::kPlain});
    return plain;
  }
  const DeviceBuffer<float> ordered(device(), plain.values.size());
  device().reorder(from, {ordered.data(), plain.shape, Layout::kPlain});
  device().download(plain.values.data(), ordered.data(), ordered.bytes());
  return plain;
}
Tensor<float> Executor::blob(const std::string& name) const {
  return tensor(impl_->graph.find_blob(name));
}

}  // namespace fovea
