// Convolution on oneDNN: direct, and by Winograd's F(4x4,3x3) for 3x3 windows of stride 1.
//
// Activations are in the layout that the direct forward pass prefers, and gradients likewise;
// parameters are in that pass's weight format.
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/linear.h"

namespace fovea {
namespace {

using namespace cpu;

// (K,C/G,R,S), with groups (G,K/G,C/G,R,S).
Dims weight_dims(const ConvolutionParams& p, const Shape& x) {
  const std::int64_t k = p.outputs / p.groups, c = x.c() / p.groups;
  if (p.groups > 1) return {p.groups, k, c, p.kernel[0], p.kernel[1]};
  return {k, c, p.kernel[0], p.kernel[1]};
}

LinearDescs descriptors(const ConvolutionParams& p, const Shape& x, const Shape& y) {
  // oneDNN checks P = (H + before + after - R) / stride + 1 in whole numbers, which is the floor
  // rule as it stands.
  return {.src = desc(dims_of(x), Tag::any),
          .weights = desc(weight_dims(p, x), Tag::any),
          .bias = p.bias ? desc({p.outputs}, Tag::x) : MemoryDesc(),
          .dst = desc(dims_of(y), Tag::any),
          .strides = {p.stride[0], p.stride[1]},
          .pad_before = {p.pad[0], p.pad[1]},
          .pad_after = {(y.h() - 1) * p.stride[0] + p.kernel[0] - x.h() - p.pad[0],
                        (y.w() - 1) * p.stride[1] + p.kernel[1] - x.w() - p.pad[1]}};
}

// A layout that the other operations vectorise over.
bool is_ours(const MemoryDesc& md, const Shape& shape) {
  const auto layout = layout_of(md, shape);
  return layout && *layout != Layout::kChannelsLast;
}

// The direct forward pass, whose formats everything else takes; fixes descs.src and descs.dst.
ConvForward::primitive_desc plan_direct(const OpProblem& problem, LinearDescs& descs) {
  const Shape &x = problem.bottoms[0], &y = problem.tops[0];
  const auto relu = fused_slope(problem);
  // The training kind, for inference too: oneDNN then computes in its blocked layout, which
  // pooling and LRN vectorise over, instead of channels-last.
  const auto plan = [&] {
    return forward_desc(descs, forward_kind(true), attributes(relu),
                        static_cast<ConvForward*>(nullptr));
  };
  // Where the producer's layout is already one that oneDNN computes in, keeping it saves a pass
  // over the data.
  const Layout delivered = problem.bottom_layouts[0];
  if (is_blocked(delivered)) descs.src = desc(dims_of(x), tag_of(delivered));
  auto forward = plan();
  if (!is_ours(forward.src_desc(), x) || !is_ours(forward.dst_desc(), y)) {
    // Few or odd channels, where oneDNN prefers channels-last: too small to matter, so plain.
    descs.src = desc(dims_of(x), Tag::nchw);
    descs.dst = desc(dims_of(y), Tag::nchw);
    forward = plan();
  }
  descs.src = forward.src_desc(), descs.dst = forward.dst_desc();
  return forward;
}

// Winograd's form needs a quarter of the multiplications. Measured with one thread on AVX-512, all
// 3x3 layers of the four nets at training batch sizes: 1.3 to 2.9 times as fast as direct in each
// of the three passes, and largest errors of 1.6e-6 of the largest output where direct has 2e-7.
// Sums whose products are all zero come out as rounding noise, so the problem must allow it.
bool winograd_allowed(const OpProblem& problem) {
  const auto& p = std::get<ConvolutionParams>(problem.params);
  const bool form = p.kernel == Extent2{3, 3} && p.stride == Extent2{1, 1} && p.groups == 1;
  return form && !problem.exact_zeros;
}

// `plan`, or nothing where the library has no such implementation.
template <class Plan>
auto if_there(Plan&& plan) -> std::optional<decltype(plan())> {
  try {
    return plan();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return std::nullopt;
    throw;
  }
}

// Replaces the passes of `plan` by Winograd's where the library has them and, in training, where
// they take the weights as they are kept.
void plan_winograd(const OpProblem& problem, LinearDescs descs, LinearPlan& plan) {
  descs.algorithm = dnnl::algorithm::convolution_winograd;
  const auto forward = if_there([&] {
    return forward_desc(descs, forward_kind(problem.training), attributes(plan.relu_slope),
                        static_cast<ConvForward*>(nullptr));
  });
  if (!forward) return;
  if (!problem.training || forward->weights_desc() == plan.weights) {
    plan.forward = forward_pass<ConvForward>(*forward);
    // Measured at GoogLeNet's shapes, image by image Winograd's form is 1.3 to 6 times as slow:
    // the filters are read again for every image.
    plan.forward_of_one = nullptr;
  }
  if (!problem.training) return;
  if (problem.propagate[0]) {
    const auto data =
        if_there([&] { return backward_data_pass<ConvBackwardData>(descs, *forward); });
    if (data && data->weights == plan.weights) plan.backward_data = *data;
  }
  const auto weights =
      if_there([&] { return backward_weights_pass<ConvBackwardWeights>(descs, *forward); });
  if (weights && weights->weights == plan.weights) plan.backward_weights = *weights;
}

// The direct forward pass of one image, of the same weights; measured at GoogLeNet's shapes, 32 of
// them take what one of 32 images takes.
std::function<LinearPass()> plan_one(LinearDescs descs, const MemoryDesc& weights,
                                     std::optional<float> relu) {
  descs.src = one_image(descs.src), descs.dst = one_image(descs.dst), descs.weights = weights;
  return [=] {
    return forward_pass<ConvForward>(forward_desc(descs, forward_kind(true), attributes(relu),
                                                  static_cast<ConvForward*>(nullptr)));
  };
}

// Into a plain image of few channels the library only has its reference loops, a thousand times as
// slow; there it writes the layout that it likes, and a reorder follows.
void plan_backward_data(const Shape& x, LinearDescs descs,
                        const ConvForward::primitive_desc& forward, LinearPlan& plan) {
  const auto as_it_is = backward_data_desc(descs, forward, attributes(std::nullopt));
  plan.backward_data = backward_data_pass<ConvBackwardData>(descs, forward);
  const auto slow = [](const auto& pd) {
    return std::string_view(pd.impl_info_str()).starts_with("ref");
  };
  if (!slow(as_it_is)) return;
  descs.src = desc(dims_of(x), Tag::any);
  const auto free = backward_data_desc(descs, forward, attributes(std::nullopt));
  if (slow(free)) return;
  plan.backward_data = {ConvBackwardData(free), free.weights_desc(), free.scratchpad_desc()};
  plan.src_gradient = free.diff_src_desc();
}

std::unique_ptr<Op> create(const OpProblem& problem) {
  const auto& p = std::get<ConvolutionParams>(problem.params);
  const Shape &x = problem.bottoms[0], &y = problem.tops[0];
  LinearDescs descs = descriptors(p, x, y);
  const auto forward = plan_direct(problem, descs);
  LinearPlan plan;
  plan.forward = forward_pass<ConvForward>(forward);
  plan.src = descs.src;
  plan.dst = descs.dst;
  plan.bias = descs.bias;
  plan.weights = forward.weights_desc();
  plan.plain = desc(weight_dims(p, x), p.groups > 1 ? Tag::goihw : Tag::oihw);
  plan.bottom = *layout_of(descs.src, x);
  plan.top = *layout_of(descs.dst, y);
  plan.outputs = p.outputs;
  plan.relu_slope = fused_slope(problem);
  plan.ordered = plan.flat = plan.plain;
  plan.forward_of_one = plan_one(descs, plan.weights, plan.relu_slope);
  if (problem.training) {
    if (problem.propagate[0]) plan_backward_data(x, descs, forward, plan);
    plan.backward_weights = backward_weights_pass<ConvBackwardWeights>(descs, forward);
  }
  if (winograd_allowed(problem)) plan_winograd(problem, descs, plan);
  return make_linear_op(std::move(plan));
}

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<ConvolutionParams>(problem.params)) return "another operation";
  return problem.bottoms[0].rank() == 4 ? "" : "other than four axes";
}

}  // namespace

const Implementation kOnednnConvolution{"onednn:convolution", supports, create, Origin::kLibrary};

}  // namespace fovea
