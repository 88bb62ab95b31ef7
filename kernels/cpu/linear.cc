#include "kernels/cpu/linear.h"

#include <algorithm>

#include "engine/core/buffer.h"
#include "kernels/cpu/reorder.h"

namespace fovea::cpu {
namespace {

constexpr std::size_t kWeights = 0, kBias = 1;  // parameter slots

class LinearOp final : public Op {
 public:
  explicit LinearOp(LinearPlan plan) : plan_(std::move(plan)) {
    for (const LinearPass* pass : {&plan_.forward, &plan_.backward_data, &plan_.backward_weights}) {
      scratchpad_bytes_ = std::max(scratchpad_bytes_, aligned(pass->scratchpad.get_size()));
    }
    // The two backward passes run one after the other and share the place of their copy.
    for (const LinearPass* pass : {&plan_.backward_data, &plan_.backward_weights}) {
      if (converts(*pass)) copy_bytes_ = std::max(copy_bytes_, pass->weights.get_size());
    }
    src_gradient_bytes_ = aligned(plan_.src_gradient.get_size());
    if (converts(plan_.forward))
      ready_ = Buffer<float>(plan_.forward.weights.get_size() / sizeof(float));
  }

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return plan_.bottom; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return plan_.top; }

  [[nodiscard]] std::int64_t param_storage(std::size_t k) const override {
    return k == kWeights ? static_cast<std::int64_t>(plan_.weights.get_size() / sizeof(float))
                         : plan_.outputs;
  }
  void pack_param(std::size_t k, const float* plain, float* packed) const override {
    if (k != kWeights) {
      std::copy_n(plain, plan_.outputs, packed);
    } else if (plan_.ordered == plan_.plain) {
      convert(plan_.flat, plain, plan_.weights, packed);
    } else {
      const Buffer<float> ordered(plan_.plain.get_size() / sizeof(float));
      convert(plan_.plain, plain, plan_.ordered, ordered.data());
      convert(plan_.flat, ordered.data(), plan_.weights, packed);
    }
  }
  void unpack_param(std::size_t k, const float* packed, float* plain) const override {
    if (k != kWeights) {
      std::copy_n(packed, plan_.outputs, plain);
    } else if (plan_.ordered == plan_.plain) {
      convert(plan_.weights, packed, plan_.flat, plain);
    } else {
      const Buffer<float> ordered(plan_.plain.get_size() / sizeof(float));
      convert(plan_.weights, packed, plan_.flat, ordered.data());
      convert(plan_.ordered, ordered.data(), plan_.plain, plain);
    }
  }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return scratchpad_bytes_ + src_gradient_bytes_ + copy_bytes_ + whole_gradient_bytes_;
  }
  [[nodiscard]] bool backward_reads_tops() const override { return plan_.relu_slope.has_value(); }

  bool take_value_slice(std::size_t) override {
    if (!plan_.forward_of_one) return false;
    forward_of_one_ = plan_.forward_of_one();
    scratchpad_bytes_ = std::max(scratchpad_bytes_, aligned(forward_of_one_.scratchpad.get_size()));
    return true;
  }
  // The backward passes read the whole from scratch, where the ReLU's mask is written to.
  bool take_gradient_slice(std::size_t) override {
    whole_gradient_bytes_ = aligned(plan_.dst.get_size());
    return true;
  }

  void bind(const OpBinding& binding) override {
    Op::bind(binding);
    top_grad_ = binding_.top_grads[0];
    if (whole_gradient_bytes_ > 0) {
      top_grad_.data = reinterpret_cast<float*>(binding_.scratch + scratchpad_bytes_ +
                                                src_gradient_bytes_ + copy_bytes_);
      top_grad_.pitch = 0;
    }
    float* bias = has_bias() ? binding_.params[kBias] : nullptr;
    float* weights = ready_.size() > 0 ? ready_.data() : binding_.params[kWeights];
    forward_.clear();
    const OpTensor &x = binding_.bottoms[0], &y = binding_.tops[0];
    if (!forward_of_one_.primitive) {
      forward_.push_back(start(plan_.forward, {{DNNL_ARG_SRC, plan_.src, x.data},
                                               {DNNL_ARG_WEIGHTS, plan_.forward.weights, weights},
                                               {DNNL_ARG_BIAS, plan_.bias, bias},
                                               {DNNL_ARG_DST, plan_.dst, y.data}}));
    }
    for (std::int64_t n = 0; forward_of_one_.primitive && n < y.shape.n(); ++n) {
      forward_.push_back(start(
          forward_of_one_, {{DNNL_ARG_SRC, one_image(plan_.src), x.data + n * x.image_pitch()},
                            {DNNL_ARG_WEIGHTS, forward_of_one_.weights, weights},
                            {DNNL_ARG_BIAS, plan_.bias, bias},
                            {DNNL_ARG_DST, one_image(plan_.dst), y.data + n * y.image_pitch()}}));
    }
    if (plan_.backward_data.primitive) bind_backward_data();
    if (plan_.backward_weights.primitive) bind_backward_weights();
  }

  // By way of Caffe's order, the only one from which the library converts into Winograd's.
  void params_changed() override {
    if (ready_.size() == 0) return;
    const Buffer<float> plain(plan_.plain.get_size() / sizeof(float));
    unpack_param(kWeights, binding_.params[kWeights], plain.data());
    convert(plan_.plain, plain.data(), plan_.forward.weights, ready_.data());
  }

  void forward(std::uint64_t) override {
    for (const BoundPrimitive& pass : forward_) pass.run();
  }

  void backward(std::uint64_t) override {
    if (plan_.relu_slope) {
      mask_by_output(binding_.tops[0], binding_.top_grads[0], *plan_.relu_slope, top_grad_);
    } else if (top_grad_.data != binding_.top_grads[0].data) {
      reorder(binding_.top_grads[0], top_grad_);
    }
    if (wants_param_grads_) {
      backward_weights_.run();
      if (converts(plan_.backward_weights) && binding_.param_grads[kWeights]) from_gradient_.run();
    }
    if (plan_.backward_data.primitive && binding_.bottom_grads[0].data) {
      if (converts(plan_.backward_data)) to_data_.run();
      backward_data_.run();
      if (src_gradient_bytes_ > 0) from_src_gradient_.run();
    }
  }

 private:
  struct Argument {
    int name;
    const MemoryDesc& md;
    float* data;
  };

  [[nodiscard]] bool has_bias() const { return plan_.bias.get_size() > 0; }
  [[nodiscard]] bool converts(const LinearPass& pass) const {
    return pass.primitive && pass.weights != plan_.weights;
  }
  [[nodiscard]] float* copy() const {
    return reinterpret_cast<float*>(binding_.scratch + scratchpad_bytes_ + src_gradient_bytes_);
  }

  void bind_backward_data() {
    const LinearPass& pass = plan_.backward_data;
    float* weights = binding_.params[kWeights];
    if (converts(pass)) {
      to_data_ = conversion(plan_.weights, weights, pass.weights, copy());
      weights = copy();
    }
    MemoryDesc source = plan_.src;
    float* gradient = binding_.bottom_grads[0].data;
    if (src_gradient_bytes_ > 0 && gradient) {
      source = plan_.src_gradient;
      gradient = reinterpret_cast<float*>(binding_.scratch + scratchpad_bytes_);
      from_src_gradient_ = conversion(source, gradient, plan_.src, binding_.bottom_grads[0].data);
    }
    backward_data_ = start(pass, {{DNNL_ARG_DIFF_SRC, source, gradient},
                                  {DNNL_ARG_WEIGHTS, pass.weights, weights},
                                  {DNNL_ARG_DIFF_DST, plan_.dst, top_grad_.data}});
  }

  // The library writes both gradients or none; one that nobody wants goes to `unwanted_`.
  void bind_backward_weights() {
    const LinearPass& pass = plan_.backward_weights;
    float* dw = binding_.param_grads[kWeights];
    float* db = has_bias() ? binding_.param_grads[kBias] : nullptr;
    wants_param_grads_ = dw || db;
    if (!wants_param_grads_) return;
    const auto spare = [&](const MemoryDesc& md) {
      unwanted_ = Buffer<float>(md.get_size() / sizeof(float));
      return unwanted_.data();
    };
    if (converts(pass)) {
      if (dw) from_gradient_ = conversion(pass.weights, copy(), plan_.weights, dw);
      dw = copy();
    } else if (!dw) {
      dw = spare(pass.weights);
    }
    if (has_bias() && !db) db = spare(plan_.bias);
    backward_weights_ = start(pass, {{DNNL_ARG_SRC, plan_.src, binding_.bottoms[0].data},
                                     {DNNL_ARG_DIFF_DST, plan_.dst, top_grad_.data},
                                     {DNNL_ARG_DIFF_WEIGHTS, pass.weights, dw},
                                     {DNNL_ARG_DIFF_BIAS, plan_.bias, db}});
  }

  [[nodiscard]] BoundPrimitive start(const LinearPass& pass,
                                     std::initializer_list<Argument> arguments) const {
    BoundPrimitive bound(pass.primitive);
    for (const Argument& argument : arguments) {
      if (argument.md.get_size() > 0) bound.add(argument.name, argument.md, argument.data);
    }
    bound.add(DNNL_ARG_SCRATCHPAD, pass.scratchpad, binding_.scratch);
    return bound;
  }

  static BoundPrimitive conversion(const MemoryDesc& from, float* source, const MemoryDesc& to,
                                   float* target) {
    const dnnl::memory a(from, dnnl_engine(), nullptr), b(to, dnnl_engine(), nullptr);
    BoundPrimitive bound(dnnl::reorder(a, b));
    bound.add(DNNL_ARG_FROM, from, source);
    bound.add(DNNL_ARG_TO, to, target);
    return bound;
  }

  LinearPlan plan_;
  LinearPass forward_of_one_;  // for an output that is a slice, once per image
  // The parts of scratch in their order; the last for a gradient that comes as a slice.
  std::size_t scratchpad_bytes_ = 0, src_gradient_bytes_ = 0, copy_bytes_ = 0,
              whole_gradient_bytes_ = 0;
  OpTensor top_grad_;    // as the backward passes read it
  Buffer<float> ready_;  // weights as forward reads them, where that is not how they are kept
  Buffer<float> unwanted_;
  bool wants_param_grads_ = false;
  std::vector<BoundPrimitive> forward_;
  BoundPrimitive backward_data_, backward_weights_, to_data_, from_gradient_, from_src_gradient_;
};

}  // namespace

void mask_by_output(const OpTensor& y, const OpTensor& dy, float slope, const OpTensor& dz) {
  constexpr std::int64_t kRun = 4096;  // floats at a time, so that one image feeds all threads
  const std::int64_t size = y.image_size(), runs = (size + kRun - 1) / kRun;
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < y.shape.n() * runs; ++task) {
    const std::int64_t image = task / runs, first = task % runs * kRun;
    const std::int64_t count = std::min(kRun, size - first);
    const float* value = y.data + image * y.image_pitch() + first;
    const float* from = dy.data + image * dy.image_pitch() + first;
    float* to = dz.data + image * dz.image_pitch() + first;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] * (value[i] > 0 ? 1.0F : slope);
  }
}

std::unique_ptr<Op> make_linear_op(LinearPlan plan) {
  return std::make_unique<LinearOp>(std::move(plan));
}

}  // namespace fovea::cpu
