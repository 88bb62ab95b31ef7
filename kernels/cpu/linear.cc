// Convolution and inner product on oneDNN: one class for both, the primitives differ by type.
//
// Activations are in the layout that the forward primitive prefers; gradients have the same.
// Parameters live in the forward primitive's weight format; backward passes that want another one
// convert into scratch. The fused ReLU is a post-operation of forward, and a mask of dy by y > 0 in
// front of backward.
#include <algorithm>

#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/implementations.h"

namespace fovea {
namespace {

using cpu::BoundPrimitive;
using cpu::desc;
using cpu::Dims;
using cpu::LinearDescs;
using cpu::MemoryDesc;
using cpu::Tag;

struct Convolution {
  using Forward = cpu::ConvForward;
  using BackwardData = cpu::ConvBackwardData;
  using BackwardWeights = cpu::ConvBackwardWeights;
  using Params = ConvolutionParams;

  static Shape source(const Shape& x) { return x; }
  static MemoryDesc plain_weights(const Params& p, const Shape& x) {
    const std::int64_t k = p.outputs / p.groups, c = x.c() / p.groups;
    if (p.groups > 1) return desc({p.groups, k, c, p.kernel[0], p.kernel[1]}, Tag::goihw);
    return desc({k, c, p.kernel[0], p.kernel[1]}, Tag::oihw);
  }
  static LinearDescs any(const Params& p, const Shape& x, const Shape& y) {
    // oneDNN checks P = (H + before + after - R) / stride + 1 in whole numbers, which is the floor
    // rule as it stands.
    return {.src = desc(cpu::dims_of(x), Tag::any),
            .weights = desc(plain_weights(p, x).dims(), Tag::any),
            .bias = p.bias ? desc({p.outputs}, Tag::x) : MemoryDesc(),
            .dst = desc(cpu::dims_of(y), Tag::any),
            .strides = {p.stride[0], p.stride[1]},
            .pad_before = {p.pad[0], p.pad[1]},
            .pad_after = {(y.h() - 1) * p.stride[0] + p.kernel[0] - x.h() - p.pad[0],
                          (y.w() - 1) * p.stride[1] + p.kernel[1] - x.w() - p.pad[1]}};
  }
};

struct InnerProduct {
  using Forward = cpu::ProductForward;
  using BackwardData = cpu::ProductBackwardData;
  using BackwardWeights = cpu::ProductBackwardWeights;
  using Params = InnerProductParams;

  static MemoryDesc plain_weights(const Params& p, const Shape& x) {
    return desc({p.outputs, x.c(), x.h(), x.w()}, Tag::oihw);
  }
  static LinearDescs any(const Params& p, const Shape& x, const Shape& y) {
    return {.src = desc(cpu::dims_of(x), Tag::any),
            .weights = desc({p.outputs, x.c(), x.h(), x.w()}, Tag::any),
            .bias = p.bias ? desc({p.outputs}, Tag::x) : MemoryDesc(),
            .dst = desc({y.n(), y.c()}, Tag::nc)};
  }
};

// Masks dy in place by the sign of y: the derivative of a fused ReLU.
void mask_by_output(const OpTensor& y, const OpTensor& dy, float slope) {
  const std::int64_t count = storage_count(y.shape, y.layout);
#pragma omp parallel for simd schedule(static)
  for (std::int64_t i = 0; i < count; ++i) dy.data[i] *= y.data[i] > 0 ? 1.0F : slope;
}

template <class Kind>
class LinearOp final : public Op {
 public:
  using Params = typename Kind::Params;

  explicit LinearOp(const OpProblem& problem)
      : params_(std::get<Params>(problem.params)),
        relu_(problem.fused_relu),
        slope_(problem.relu_slope),
        propagate_(problem.training && problem.propagate[0]),
        training_(problem.training),
        plain_(Kind::plain_weights(params_, problem.bottoms[0])) {
    const Shape &x = problem.bottoms[0], &y = problem.tops[0];
    // The training kind, for inference too: oneDNN then computes in its blocked layout, which
    // pooling and LRN vectorise over, instead of channels-last.
    const auto kind = dnnl::prop_kind::forward_training;
    LinearDescs descs = Kind::any(params_, x, y);
    // Where the producer's layout is already one that oneDNN computes in, keeping it saves a pass
    // over the data.
    // Two-axis inputs are always plain.
    if (is_blocked(problem.bottom_layouts[0]) || x.rank() < 4)
      descs.src = desc(cpu::dims_of(x), cpu::tag_of(problem.bottom_layouts[0]));
    auto forward = cpu::forward_desc(descs, kind, cpu::attributes(relu_, slope_),
                                     static_cast<typename Kind::Forward*>(nullptr));
    if (!is_ours(forward.src_desc(), x) || (y.rank() == 4 && !is_ours(forward.dst_desc(), y))) {
      // Few or odd channels, where oneDNN prefers channels-last: too small to matter, so plain.
      descs.src = desc(cpu::dims_of(x), Tag::nchw);
      if (y.rank() == 4) descs.dst = desc(cpu::dims_of(y), Tag::nchw);
      forward = cpu::forward_desc(descs, kind, cpu::attributes(relu_, slope_),
                                  static_cast<typename Kind::Forward*>(nullptr));
    }
    bottom_layout_ = *cpu::layout_of(forward.src_desc(), x);
    top_layout_ = y.rank() == 4 ? output_layout(forward.dst_desc(), y) : Layout::kPlain;
    src_ = forward.src_desc(), weights_ = forward.weights_desc(), dst_ = forward.dst_desc(),
    bias_ = descs.bias;
    add(forward_, typename Kind::Forward(forward), forward.scratchpad_desc());
    if (training_) plan_backward(descs, forward);
  }

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return bottom_layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return top_layout_; }

  [[nodiscard]] std::int64_t param_storage(std::size_t i) const override {
    return i == 0 ? floats(weights_) : params_.outputs;
  }
  void pack_param(std::size_t i, const float* plain, float* packed) const override {
    if (i == 0) return cpu::convert(plain_, plain, weights_, packed);
    std::copy_n(plain, params_.outputs, packed);
  }
  void unpack_param(std::size_t i, const float* packed, float* plain) const override {
    if (i == 0) return cpu::convert(weights_, packed, plain_, plain);
    std::copy_n(packed, params_.outputs, plain);
  }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return scratchpad_bytes_ + convert_bytes(data_weights_) + convert_bytes(gradient_weights_);
  }
  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }

  void bind(const OpBinding& binding) override {
    Op::bind(binding);
    const OpTensor& x = binding.bottoms[0];
    float* bias = params_.bias ? binding.params[1] : nullptr;
    start(forward_, {{DNNL_ARG_SRC, src_, x.data},
                     {DNNL_ARG_WEIGHTS, weights_, binding.params[0]},
                     {DNNL_ARG_BIAS, bias_, bias},
                     {DNNL_ARG_DST, dst_, binding.tops[0].data}});
    if (!training_) return;
    float* dy = binding.top_grads[0].data;
    auto* converted = reinterpret_cast<float*>(binding.scratch + scratchpad_bytes_);
    data_copy_ = converts(data_weights_) ? converted : nullptr;
    gradient_copy_ = converts(gradient_weights_)
                         ? converted + convert_bytes(data_weights_) / sizeof(float)
                         : nullptr;
    if (propagate_) {
      start(backward_data_,
            {{DNNL_ARG_DIFF_SRC, src_, binding.bottom_grads[0].data},
             {DNNL_ARG_WEIGHTS, data_weights_, data_copy_ ? data_copy_ : binding.params[0]},
             {DNNL_ARG_DIFF_DST, dst_, dy}});
    }
    if (data_copy_)
      bind_conversion(to_data_, weights_, binding.params[0], data_weights_, data_copy_);
    if (!binding.param_grads[0]) return;
    float* bias_gradient = params_.bias ? binding.param_grads[1] : nullptr;
    start(backward_weights_, {{DNNL_ARG_SRC, src_, x.data},
                              {DNNL_ARG_DIFF_DST, dst_, dy},
                              {DNNL_ARG_DIFF_WEIGHTS, gradient_weights_,
                               gradient_copy_ ? gradient_copy_ : binding.param_grads[0]},
                              {DNNL_ARG_DIFF_BIAS, bias_, bias_gradient}});
    if (gradient_copy_)
      bind_conversion(from_gradient_, gradient_weights_, gradient_copy_, weights_,
                      binding.param_grads[0]);
  }

  void forward(std::uint64_t) override { forward_.run(); }

  void backward(std::uint64_t) override {
    if (relu_) mask_by_output(binding_.tops[0], binding_.top_grads[0], slope_);
    if (propagate_ && binding_.bottom_grads[0].data) {
      if (data_copy_) to_data_.run();
      backward_data_.run();
    }
    if (!binding_.param_grads[0]) return;
    backward_weights_.run();
    if (gradient_copy_) from_gradient_.run();
  }

 private:
  struct Argument {
    int name;
    const MemoryDesc& md;
    float* data;
  };

  static std::int64_t floats(const MemoryDesc& md) {
    return static_cast<std::int64_t>(md.get_size() / sizeof(float));
  }
  [[nodiscard]] bool converts(const MemoryDesc& md) const {
    return md.get_size() > 0 && md != weights_;
  }
  [[nodiscard]] std::size_t convert_bytes(const MemoryDesc& md) const {
    return converts(md) ? aligned(md.get_size()) : 0;
  }
  static std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

  // A layout that the other operations vectorise over.
  static bool is_ours(const MemoryDesc& md, const Shape& shape) {
    const auto layout = cpu::layout_of(md, shape);
    return layout && *layout != Layout::kChannelsLast;
  }
  static Layout output_layout(const MemoryDesc& md, const Shape& y) {
    const auto layout = cpu::layout_of(md, y);
    expects(layout.has_value(), "oneDNN writes a layout that Fovea knows");
    return *layout;
  }

  template <class Primitive>
  void add(BoundPrimitive& bound, Primitive primitive, const MemoryDesc& scratchpad) {
    bound = BoundPrimitive(std::move(primitive));
    scratchpad_ = scratchpad.get_size() > scratchpad_.get_size() ? scratchpad : scratchpad_;
    scratchpad_bytes_ = std::max(scratchpad_bytes_, aligned(scratchpad.get_size()));
  }

  void plan_backward(LinearDescs descs, const typename Kind::Forward::primitive_desc& forward) {
    descs.src = src_, descs.dst = dst_;
    const auto attr = cpu::attributes(false, 0);
    if (propagate_) {
      const auto data = cpu::backward_data_desc(descs, forward, attr);
      data_weights_ = data.weights_desc();
      add(backward_data_, typename Kind::BackwardData(data), data.scratchpad_desc());
    }
    const auto weights = cpu::backward_weights_desc(descs, forward, attr);
    gradient_weights_ = weights.diff_weights_desc();
    add(backward_weights_, typename Kind::BackwardWeights(weights), weights.scratchpad_desc());
  }

  void start(BoundPrimitive& bound, std::initializer_list<Argument> arguments) const {
    bound.clear();
    for (const Argument& argument : arguments) {
      if (argument.data) bound.add(argument.name, argument.md, argument.data);
    }
    bound.add(DNNL_ARG_SCRATCHPAD, scratchpad_, binding_.scratch);
  }

  static void bind_conversion(BoundPrimitive& bound, const MemoryDesc& from, float* source,
                              const MemoryDesc& to, float* target) {
    const dnnl::memory a(from, cpu::dnnl_engine(), nullptr), b(to, cpu::dnnl_engine(), nullptr);
    bound = BoundPrimitive(dnnl::reorder(a, b));
    bound.add(DNNL_ARG_FROM, from, source);
    bound.add(DNNL_ARG_TO, to, target);
  }

  Params params_;
  bool relu_;
  float slope_;
  bool propagate_, training_;
  MemoryDesc plain_, src_, weights_, bias_, dst_, data_weights_, gradient_weights_, scratchpad_;
  Layout bottom_layout_ = Layout::kPlain, top_layout_ = Layout::kPlain;
  std::size_t scratchpad_bytes_ = 0;
  BoundPrimitive forward_, backward_data_, backward_weights_, to_data_, from_gradient_;
  float *data_copy_ = nullptr, *gradient_copy_ = nullptr;
};

template <class Kind>
std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<typename Kind::Params>(problem.params)) return "another operation";
  if (problem.bottoms[0].rank() < 2) return "an input without a channel axis";
  return "";
}

template <class Kind>
std::unique_ptr<Op> create(const OpProblem& problem) {
  return std::make_unique<LinearOp<Kind>>(problem);
}

}  // namespace

const Implementation kOnednnConvolution{"onednn:convolution", supports<Convolution>,
                                        create<Convolution>};
const Implementation kOnednnInnerProduct{"onednn:inner_product", supports<InnerProduct>,
                                         create<InnerProduct>};

}  // namespace fovea
