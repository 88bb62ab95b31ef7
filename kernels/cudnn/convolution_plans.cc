#include "kernels/cudnn/convolution_plans.h"

#include <algorithm>
#include <deque>
#include <optional>

namespace fovea::cudnn {
namespace {

using Extents = std::array<std::int64_t, 4>;

// Between operations of a graph, in no memory.
enum VirtualId : std::int64_t { kSums = 's', kBiased = 't' };

// Descriptors of a graph while it is put together.
class Parts {
 public:
  explicit Parts(const ConvolutionCase& c)
      : case_(c), convolution_(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR) {
    const ConvolutionParams& p = c.params;
    const auto extents = [](const Extent2& e) { return std::span<const std::int64_t>(e); };
    constexpr Extent2 kNone{1, 1};
    convolution_.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    convolution_.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                     CUDNN_CROSS_CORRELATION);
    convolution_.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
    convolution_.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, extents(kNone));
    convolution_.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, extents(p.stride));
    convolution_.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, extents(p.pad));
    convolution_.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, extents(p.pad));
    convolution_.finalize();
  }

  enum class Kind { kOperand, kResult, kVirtual };
  // (N, C, H, W) channels-last; filters (K, C/G, R, S) alike, which says how many groups there are.
  const Descriptor& tensor(std::int64_t id, const Extents& e, Kind kind) {
    const bool rounded = kind == Kind::kOperand && case_.operands == Precision::kBf16;
    const Extents strides{e[1] * e[2] * e[3], 1, e[1] * e[3], e[1]};
    Descriptor& d = parts_.emplace_back(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
          rounded ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT);
    d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span<const std::int64_t>(e));
    d.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const std::int64_t>(strides));
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
    d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16});
    d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, kind == Kind::kVirtual);
    d.finalize();
    return d;
  }

  struct PassNames {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
  };
  void pass(const PassNames& names, const Descriptor& x, const Descriptor& w, const Descriptor& y) {
    Descriptor& operation = parts_.emplace_back(names.type);
    operation.set(names.convolution, convolution_);
    operation.set(names.x, x);
    operation.set(names.w, w);
    operation.set(names.y, y);
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, kOne);
    operation.set(names.beta, CUDNN_TYPE_FLOAT, kZero);
    finish(operation);
  }
  // y = mode(x, b), b null: of x alone.
  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b,
                 const Descriptor& y) {
    Descriptor& what = parts_.emplace_back(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    what.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
    what.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    what.finalize();
    Descriptor& operation = parts_.emplace_back(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finish(operation);
  }

  OperationGraph graph(cudnnHandle_t handle) && {
    std::vector<Descriptor> parts;
    for (Descriptor& part : parts_) parts.push_back(std::move(part));
    parts.push_back(std::move(convolution_));
    return OperationGraph(std::move(parts), operations_, handle);
  }

  [[nodiscard]] Extents x() const { return of(case_.x); }
  [[nodiscard]] Extents w() const { return of(weight_shape(case_.params, case_.x)); }
  [[nodiscard]] Extents y() const { return of(case_.y); }

 private:
  static constexpr float kOne = 1, kZero = 0;
  static Extents of(const Shape& s) { return {s.n(), s.c(), s.h(), s.w()}; }
  void finish(Descriptor& operation) {
    operation.finalize();
    operations_.push_back(operation.get());
  }

  const ConvolutionCase& case_;
  Descriptor convolution_;
  std::deque<Descriptor> parts_;  // references to them stay
  std::vector<cudnnBackendDescriptor_t> operations_;
};

using Kind = Parts::Kind;

constexpr Parts::PassNames kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Parts::PassNames kBackwardData{
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Parts::PassNames kBackwardWeights{
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

// y = x * w, and with `fused` relu(x * w + b) as far as the case has these.
OperationGraph forward_graph(const ConvolutionCase& c, bool fused, cudnnHandle_t handle) {
  Parts parts(c);
  const bool bias = fused && c.params.bias, relu = fused && c.relu;
  const Descriptor& x = parts.tensor(kX, parts.x(), Kind::kOperand);
  const Descriptor& w = parts.tensor(kW, parts.w(), Kind::kOperand);
  const Descriptor& y = parts.tensor(kY, parts.y(), Kind::kResult);
  const Descriptor& sums = bias || relu ? parts.tensor(kSums, parts.y(), Kind::kVirtual) : y;
  parts.pass(kForward, x, w, sums);
  const Descriptor* biased = &sums;
  if (bias) {
    const Descriptor& b = parts.tensor(kB, {1, c.params.outputs, 1, 1}, Kind::kResult);
    biased = relu ? &parts.tensor(kBiased, parts.y(), Kind::kVirtual) : &y;
    parts.pointwise(CUDNN_POINTWISE_ADD, sums, &b, *biased);
  }
  if (relu) parts.pointwise(CUDNN_POINTWISE_RELU_FWD, *biased, nullptr, y);
  return std::move(parts).graph(handle);
}

OperationGraph backward_graph(const ConvolutionCase& c, bool weights, cudnnHandle_t handle) {
  Parts parts(c);
  const auto kind = [](bool result) { return result ? Kind::kResult : Kind::kOperand; };
  const Descriptor& x = parts.tensor(kX, parts.x(), kind(!weights));
  const Descriptor& w = parts.tensor(kW, parts.w(), kind(weights));
  const Descriptor& y = parts.tensor(kY, parts.y(), Kind::kOperand);
  parts.pass(weights ? kBackwardWeights : kBackwardData, x, w, y);
  return std::move(parts).graph(handle);
}

ConvolutionPlans make_plans(const ConvolutionCase& c) {
  const auto on = handles();
  const Limits limits{.tensor_cores = c.operands != Precision::kFp32, .exact_zeros = c.exact_zeros};
  const auto plan = [&](OperationGraph graph) {
    return std::make_shared<const Plan>(on, std::move(graph), limits);
  };
  ConvolutionPlans plans;
  // Not every engine fuses.
  try {
    plans.forward = plan(forward_graph(c, true, on->cudnn()));
    plans.fused = true;
  } catch (const Error&) {
    plans.forward = plan(forward_graph(c, false, on->cudnn()));
  }
  if (c.data) plans.backward_data = plan(backward_graph(c, false, on->cudnn()));
  if (c.weights) plans.backward_weights = plan(backward_graph(c, true, on->cudnn()));
  return plans;
}

struct Kept {
  std::weak_ptr<const Handles> handles;
  ConvolutionCase wanted;
  FoundPlans found;
};
std::optional<Kept>& last_found() {
  thread_local std::optional<Kept> kept;
  return kept;
}

}  // namespace

std::vector<OperationGraph> graphs_of(const ConvolutionCase& c, cudnnHandle_t handle) {
  std::vector<OperationGraph> graphs;
  for (const bool fused : {true, false}) graphs.push_back(forward_graph(c, fused, handle));
  for (const bool weights : {false, true}) graphs.push_back(backward_graph(c, weights, handle));
  return graphs;
}

std::size_t ConvolutionPlans::workspace_bytes() const {
  std::size_t most = forward->workspace_bytes();
  for (const auto& pass : {backward_data, backward_weights}) {
    if (pass) most = std::max(most, pass->workspace_bytes());
  }
  return most;
}

FoundPlans find_plans(const ConvolutionCase& wanted) {
  const auto now = handles();
  std::optional<Kept>& kept = last_found();
  if (kept && kept->handles.lock() == now && kept->wanted == wanted) return kept->found;
  FoundPlans found;
  try {
    found.plans = std::make_shared<const ConvolutionPlans>(make_plans(wanted));
  } catch (const Error& error) {
    found.reason = error.what();
  }
  kept = {now, wanted, found};
  return found;
}

std::shared_ptr<const ConvolutionPlans> take_plans(const ConvolutionCase& wanted) {
  const FoundPlans found = find_plans(wanted);
  last_found().reset();
  require(found.plans != nullptr, found.reason);
  return found.plans;
}

}  // namespace fovea::cudnn
