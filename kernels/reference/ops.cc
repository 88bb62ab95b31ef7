#include "kernels/reference/ops.h"

#include <algorithm>

#include "kernels/ops/batch_share.h"
#include "kernels/reference/accuracy.h"
#include "kernels/reference/concat.h"
#include "kernels/reference/convolution.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/inner_product.h"
#include "kernels/reference/lrn.h"
#include "kernels/reference/pooling.h"
#include "kernels/reference/relu.h"
#include "kernels/reference/softmax.h"
#include "kernels/reference/softmax_loss.h"
#include "kernels/reference/split.h"

namespace fovea {
namespace {

using reference::Input;
using reference::Output;

// A float tensor of the caller and its double twin; absent while `data` is null.
struct Twin {
  float* data = nullptr;
  Tensor<double> values;

  [[nodiscard]] Output out() { return {data ? values.values.data() : nullptr, values.shape}; }
  void load() {
    if (data) std::copy_n(data, values.values.size(), values.values.begin());
  }
  void store() const {
    if (!data) return;
    std::transform(values.values.begin(), values.values.end(), data,
                   [](double value) { return static_cast<float>(value); });
  }
};
using Twins = std::vector<Twin>;

Twin make_twin(float* data, const Shape& shape) {
  Twin twin{data, {}};
  twin.values.shape = shape;
  twin.values.values.resize(data ? static_cast<std::size_t>(shape.count()) : 0);
  return twin;
}

// What forward and backward of one operation work on; the views are made once, in bind().
struct Values {
  std::vector<Input> x, y, dy, w;
  std::vector<Output> y_out, dx, dw;
  std::vector<std::int64_t> argmax;
};

// A view of twin i, absent when there are fewer.
template <class View>
View at(const std::vector<View>& views, std::size_t i) {
  return i < views.size() ? views[i] : View{};
}

struct Call {
  const OpProblem& problem;
  Values& v;
  std::uint64_t iteration;
  const BatchShare& share;
};

void forward(const ConvolutionParams& p, const Call& c) {
  reference::convolution(p, c.v.x[0], c.v.w[0], at(c.v.w, 1), c.v.y_out[0]);
}
void backward(const ConvolutionParams& p, const Call& c) {
  reference::convolution_gradient(p, c.v.x[0], c.v.w[0], c.v.dy[0], at(c.v.dx, 0), at(c.v.dw, 0),
                                  at(c.v.dw, 1));
}

void forward(const InnerProductParams&, const Call& c) {
  reference::inner_product(c.v.x[0], c.v.w[0], at(c.v.w, 1), c.v.y_out[0]);
}
void backward(const InnerProductParams&, const Call& c) {
  reference::inner_product_gradient(c.v.x[0], c.v.w[0], c.v.dy[0], at(c.v.dx, 0), at(c.v.dw, 0),
                                    at(c.v.dw, 1));
}

void forward(const PoolingParams& p, const Call& c) {
  reference::pooling(p, c.v.x[0], c.v.y_out[0], c.v.argmax);
}
void backward(const PoolingParams& p, const Call& c) {
  if (at(c.v.dx, 0).data) reference::pooling_gradient(p, c.v.dy[0], c.v.argmax, c.v.dx[0]);
}

void forward(const LrnParams& p, const Call& c) { reference::lrn(p, c.v.x[0], c.v.y_out[0]); }
void backward(const LrnParams& p, const Call& c) {
  if (at(c.v.dx, 0).data) reference::lrn_gradient(p, c.v.x[0], c.v.dy[0], c.v.dx[0]);
}

void forward(const ReluParams& p, const Call& c) {
  reference::relu(p.slope, c.v.x[0], c.v.y_out[0]);
}
void backward(const ReluParams& p, const Call& c) {
  if (at(c.v.dx, 0).data) reference::relu_gradient(p.slope, c.v.x[0], c.v.dy[0], c.v.dx[0]);
}

void dropout_or_copy(const DropoutParams& p, const Call& c, Input from, Output to) {
  if (!c.problem.training) {
    std::copy_n(from.data, from.count(), to.data);
    return;
  }
  const std::int64_t image = from.count() / from.shape.n();
  reference::dropout(p, reference::dropout_key(c.problem.seed, c.iteration, c.problem.layer), from,
                     to, c.share.first_image * image);
}
void forward(const DropoutParams& p, const Call& c) {
  dropout_or_copy(p, c, c.v.x[0], c.v.y_out[0]);
}
void backward(const DropoutParams& p, const Call& c) {
  if (at(c.v.dx, 0).data) dropout_or_copy(p, c, c.v.dy[0], c.v.dx[0]);
}

void forward(const ConcatParams& p, const Call& c) {
  reference::concat(p.axis, c.v.x, c.v.y_out[0]);
}
void backward(const ConcatParams& p, const Call& c) {
  reference::concat_gradient(p.axis, c.v.dy[0], c.v.dx);
}

void forward(const SplitParams&, const Call& c) { reference::split(c.v.x[0], c.v.y_out); }
void backward(const SplitParams&, const Call& c) {
  if (at(c.v.dx, 0).data) reference::split_gradient(c.v.dy, c.v.dx[0]);
}

void forward(const SoftmaxParams&, const Call& c) { reference::softmax(c.v.x[0], c.v.y_out[0]); }
void backward(const SoftmaxParams&, const Call& c) {
  if (at(c.v.dx, 0).data) reference::softmax_gradient(c.v.y[0], c.v.dy[0], c.v.dx[0]);
}

void forward(const SoftmaxLossParams& p, const Call& c) {
  c.v.y_out[0][0] = reference::softmax_loss(p, c.v.x[0], c.v.x[1], c.share.count);
}
void backward(const SoftmaxLossParams& p, const Call& c) {
  if (at(c.v.dx, 0).data) {
    reference::softmax_loss_gradient(p, c.v.x[0], c.v.x[1], c.v.dx[0], c.share.count);
  }
}

void forward(const AccuracyParams& p, const Call& c) {
  reference::accuracy(p, c.v.x[0], c.v.x[1], c.v.y_out[0], at(c.v.y_out, 1));
}
void backward(const AccuracyParams&, const Call&) {}  // no gradient

std::vector<Shape> param_shapes(const OpProblem& problem) {
  return std::visit(
      [&](const auto& p) -> std::vector<Shape> {
        if constexpr (requires { weight_shape(p, problem.bottoms[0]); }) {
          std::vector<Shape> shapes{weight_shape(p, problem.bottoms[0])};
          if (p.bias) shapes.push_back({p.outputs});
          return shapes;
        } else {
          return {};
        }
      },
      problem.params);
}

class ReferenceOp final : public Op, public SharesBatch {
 public:
  explicit ReferenceOp(const OpProblem& problem)
      : problem_(problem), param_shapes_(param_shapes(problem)) {}

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return Layout::kPlain; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return Layout::kPlain; }

  [[nodiscard]] std::int64_t param_storage(std::size_t k) const override {
    return param_shapes_.at(k).count();
  }
  void pack_param(std::size_t k, const float* plain, float* packed) const override {
    std::copy_n(plain, param_storage(k), packed);
  }
  void unpack_param(std::size_t k, const float* packed, float* plain) const override {
    std::copy_n(packed, param_storage(k), plain);
  }

  void bind(const OpBinding& binding) override {
    Op::bind(binding);
    x_ = twins(binding.bottoms, problem_.bottoms);
    y_ = twins(binding.tops, problem_.tops);
    dx_ = twins(binding.bottom_grads, problem_.bottoms);
    dy_ = twins(binding.top_grads, problem_.tops);
    for (std::size_t i = 0; i < dx_.size(); ++i) {
      if (i < problem_.propagate.size() && !problem_.propagate[i])
        dx_[i] = make_twin(nullptr, problem_.bottoms[i]);
    }
    w_ = twins(binding.params, param_shapes_);
    dw_ = twins(binding.param_grads, param_shapes_);
    values_ = {views<Input>(x_),  views<Input>(y_),   views<Input>(dy_),  views<Input>(w_),
               views<Output>(y_), views<Output>(dx_), views<Output>(dw_), {}};
    const auto* pooling = std::get_if<PoolingParams>(&problem_.params);
    if (pooling && pooling->mode == PoolingMode::kMax) {
      values_.argmax.resize(static_cast<std::size_t>(problem_.tops[0].count()));
    }
  }

  void forward(std::uint64_t iteration) override {
    load(x_), load(w_);
    std::visit(
        [&](const auto& p) {
          fovea::forward(p, {problem_, values_, iteration, share_});
        },
        problem_.params);
    const Output y = values_.y_out[0];
    if (problem_.fused_relu) reference::relu(problem_.relu_slope, y, y);
    store(y_);
  }

  // The argmax is that of the forward call.
  void backward(std::uint64_t iteration) override {
    load(x_), load(y_), load(dy_), load(w_);
    if (problem_.fused_relu) {
      const Output dy = dy_[0].out();
      reference::relu_gradient(problem_.relu_slope, values_.y[0], dy, dy);
    }
    std::visit(
        [&](const auto& p) {
          fovea::backward(p, {problem_, values_, iteration, share_});
        },
        problem_.params);
    store(dx_), store(dw_);
  }

 private:
  static float* pointer(float* data) { return data; }
  static float* pointer(const OpTensor& tensor) { return tensor.data; }

  template <class Bound>
  static Twins twins(const std::vector<Bound>& bound, const std::vector<Shape>& shapes) {
    Twins made;
    for (std::size_t i = 0; i < bound.size(); ++i) {
      made.push_back(make_twin(pointer(bound[i]), shapes.at(i)));
    }
    return made;
  }
  template <class View>
  static std::vector<View> views(Twins& twins) {
    std::vector<View> made;
    for (Twin& twin : twins) made.push_back(twin.out());
    return made;
  }
  static void load(Twins& twins) {
    for (Twin& twin : twins) twin.load();
  }
  static void store(Twins& twins) {
    for (Twin& twin : twins) twin.store();
  }

  OpProblem problem_;
  std::vector<Shape> param_shapes_;
  Twins x_, y_, dx_, dy_, w_, dw_;
  Values values_;
};

std::string supports_everything(const OpProblem&) { return ""; }

}  // namespace

std::unique_ptr<Op> create_reference_op(const OpProblem& problem) {
  return std::make_unique<ReferenceOp>(problem);
}

const Implementation kReferenceImplementation{"reference", &supports_everything,
                                              &create_reference_op};

}  // namespace fovea
