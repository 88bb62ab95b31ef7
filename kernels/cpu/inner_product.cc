// Inner product on oneDNN, always as a matrix product of (N,I) by (I,K).
//
// An image in any layout is a row of I numbers in some order, so it is read as it lies and the
// columns of the weights are put into that order when they are loaded. (Handed over as four axes,
// oneDNN 2.6 falls back to a plain gemm whose three passes want different weight formats: 240 ms of
// conversions a step for fc6 of CaffeNet at batch 50, against 80 ms of arithmetic.)
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/linear.h"

namespace fovea {
namespace {

using namespace cpu;

// Blocks that channels do not fill would need weights for the padding.
Layout readable(const Shape& x, Layout delivered) {
  return x.rank() == 4 && x.c() % channel_block(delivered) == 0 ? delivered : Layout::kPlain;
}

std::unique_ptr<Op> create(const OpProblem& problem) {
  const auto& p = std::get<InnerProductParams>(problem.params);
  const Shape& x = problem.bottoms[0];
  const std::int64_t inputs = x.count_from(1);
  LinearDescs descs{.src = desc({x.n(), inputs}, Tag::nc),
                    .weights = desc({p.outputs, inputs}, Tag::any),
                    .bias = p.bias ? desc({p.outputs}, Tag::x) : MemoryDesc(),
                    .dst = desc({x.n(), p.outputs}, Tag::nc)};
  const auto relu = fused_slope(problem);
  const auto forward = forward_desc(descs, forward_kind(problem.training), attributes(relu),
                                    static_cast<ProductForward*>(nullptr));
  // Forward's format for the parameters; the backward passes are asked for theirs.
  LinearPlan plan;
  plan.forward = forward_pass<ProductForward>(forward);
  plan.src = descs.src;
  plan.dst = descs.dst;
  plan.bias = descs.bias;
  plan.weights = forward.weights_desc();
  plan.bottom = readable(x, problem.bottom_layouts[0]);
  plan.top = Layout::kPlain;
  plan.outputs = p.outputs;
  plan.relu_slope = relu;
  const Dims w_dims{p.outputs, x.c(), x.h(), x.w()};
  plan.plain = desc(w_dims, Tag::oihw);
  plan.ordered = desc(w_dims, tag_of(plan.bottom));
  plan.flat = desc({p.outputs, inputs}, Tag::ab);
  if (!problem.training) return make_linear_op(std::move(plan));
  if (problem.propagate[0])
    plan.backward_data = backward_data_pass<ProductBackwardData>(descs, forward);
  plan.backward_weights = backward_weights_pass<ProductBackwardWeights>(descs, forward);
  return make_linear_op(std::move(plan));
}

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<InnerProductParams>(problem.params)) return "another operation";
  if (problem.bottoms[0].rank() < 2) return "an input without a channel axis";
  return "";
}

}  // namespace

const Implementation kOnednnInnerProduct{"onednn:inner_product", supports, create,
                                         Origin::kLibrary};

}  // namespace fovea
