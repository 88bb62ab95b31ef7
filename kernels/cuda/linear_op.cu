// Convolution and inner product as operations of a net: which kernels run, on what scratch.
#include "kernels/cuda/linear_ffma.cuh"
#include "kernels/cuda/linear_gradient.cuh"
#include "kernels/cuda/linear_problems.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

// Elements from pixel to pixel of an NHWC tensor, which may be a slice of a wider one.
template <class Tensor>
std::int32_t pixel_pitch(const Tensor& t) {
  if constexpr (requires { t.image_pitch(); }) {
    return index32(t.image_pitch() / (t.shape.h() * t.shape.w()));
  } else {
    return index32(t.shape.rank() == 4 ? t.shape.c() : t.shape.count_from(1));
  }
}

class LinearOp final : public DeviceOp {
 public:
  explicit LinearOp(const OpProblem& problem)
      : DeviceOp(problem),
        geometry_(linear_geometry(problem)),
        forward_(plan_ffma_forward(geometry_)),
        data_(plan_ffma_backward_data(geometry_)),
        weights_(plan_ffma_backward_weights(geometry_)),
        flat_(std::holds_alternative<InnerProductParams>(problem.params)),
        bias_(std::visit(
            [](const auto& p) {
              if constexpr (requires { p.bias; }) {
                return p.bias;
              } else {
                return false;
              }
            },
            problem.params)),
        relu_(problem.fused_relu),
        training_(problem.training),
        slope_(problem.relu_slope) {
    // Caffe's order of weights is (K, channel, row, column), ours (K, row, column, channel).
    const Shape& x = problem.bottoms[0];
    filter_channels_ = flat_ ? x.c() : geometry_.channels;
    filter_taps_ = flat_ ? x.h() * x.w() : geometry_.taps();
  }

  [[nodiscard]] std::int64_t param_storage(std::size_t i) const override {
    return i == 0 ? geometry_.filter_count() : all_outputs();
  }
  void pack_param(std::size_t i, const float* plain, float* packed) const override {
    if (i > 0) {
      std::copy_n(plain, all_outputs(), packed);
    } else {
      transpose_filters(plain, packed, filter_channels_, filter_taps_);
    }
  }
  void unpack_param(std::size_t i, const float* packed, float* plain) const override {
    if (i > 0) {
      std::copy_n(packed, all_outputs(), plain);
    } else {
      transpose_filters(packed, plain, filter_taps_, filter_channels_);
    }
  }

  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    std::int64_t count = partial_count(forward_, y_count());
    if (training_)
      count = std::max({count, partial_count(data_, x_count()),
                        partial_count(weights_, geometry_.filter_count()),
                        gradient_partials(geometry_.pixels(), all_outputs())});
    return static_cast<std::size_t>(count) * sizeof(float);
  }

  void forward(std::uint64_t) override {
    const OpTensor &x = binding_.bottoms[0], &y = binding_.tops[0];
    LinearGeometry g = geometry_;
    g.x_pitch = pitch_of(x);
    GemmOutput out = dense_output(y.data, g.pixels(), g.outputs, pitch_of(y), g.outputs);
    out.bias = bias_ ? binding_.params[1] : nullptr;
    out.relu = relu_, out.slope = slope_;
    ffma_forward(stream_, g, forward_, x.data, binding_.params[0], out, scratch());
  }

  void backward(std::uint64_t) override {
    const OpTensor &x = binding_.bottoms[0], &dy = binding_.top_grads[0],
                   &dx = binding_.bottom_grads[0];
    float* dw = binding_.param_grads[0];
    float* db = bias_ ? binding_.param_grads[1] : nullptr;
    LinearGeometry g = geometry_;
    g.x_pitch = pitch_of(x), g.y_pitch = pitch_of(dy);
    const OpTensor& y = binding_.tops[0];
    const GradientRows rows{.dy = dy.data,
                            .rows = g.pixels(),
                            .channels = all_outputs(),
                            .pitch = g.y_pitch,
                            .y = relu_ ? y.data : nullptr,
                            .y_pitch = relu_ ? pitch_of(y) : 0,
                            .slope = slope_};
    mask_and_sum_gradient(stream_, rows, relu_ ? dy.data : nullptr, db, scratch());
    if (dx.data)
      ffma_backward_data(stream_, g, data_, dy.data, binding_.params[0], dx.data, pitch_of(dx),
                         scratch());
    if (dw) ffma_backward_weights(stream_, g, weights_, dy.data, x.data, dw, scratch());
  }

 private:
  [[nodiscard]] std::int32_t all_outputs() const { return geometry_.groups * geometry_.outputs; }
  [[nodiscard]] std::int64_t y_count() const {
    return std::int64_t{geometry_.pixels()} * all_outputs();
  }
  [[nodiscard]] std::int64_t x_count() const {
    return std::int64_t{geometry_.n} * geometry_.h * geometry_.w * geometry_.groups *
           geometry_.channels;
  }
  [[nodiscard]] float* scratch() const { return reinterpret_cast<float*>(binding_.scratch); }
  // An inner product takes a whole image as one pixel.
  [[nodiscard]] std::int32_t pitch_of(const OpTensor& t) const {
    return flat_ ? index32(t.shape.count_from(1)) : pixel_pitch(t);
  }
  // (K, rows, columns) -> (K, columns, rows)
  void transpose_filters(const float* from, float* to, std::int64_t rows,
                         std::int64_t columns) const {
    for (std::int64_t k = 0; k < all_outputs(); ++k, from += rows * columns, to += rows * columns) {
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < columns; ++column)
          to[column * rows + row] = from[row * columns + column];
      }
    }
  }

  LinearGeometry geometry_;
  GemmPlan forward_, data_, weights_;
  bool flat_, bias_, relu_, training_;
  float slope_;
  std::int64_t filter_channels_ = 1, filter_taps_ = 1;
};

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<ConvolutionParams>(problem.params) &&
      !std::holds_alternative<InnerProductParams>(problem.params))
    return "another operation";
  return problem.relu_slope >= 0 ? "" : "a negative slope";
}

}  // namespace

extern const Implementation kLinear{FOVEA_TARGET_NAME ":linear", supports, create_op_of<LinearOp>};

}  // namespace fovea::FOVEA_TARGET
