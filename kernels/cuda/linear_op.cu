// Convolution and inner product as operations of a net, in single precision.
//
//   scratch: partial sums of the pass that needs most
//   backward: dy is masked in place (12 bytes per value with a ReLU, 4 for the bias without)
#include "kernels/cuda/linear_op.cuh"

#include "kernels/cuda/linear_ffma.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

class LinearOp final : public LinearBase {
 public:
  explicit LinearOp(const OpProblem& problem)
      : LinearBase(problem),
        forward_(plan_ffma_forward(geometry_)),
        data_(plan_ffma_backward_data(geometry_)),
        weights_(plan_ffma_backward_weights(geometry_)) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    std::int64_t count = partial_count(forward_, y_count());
    if (training_)
      count = std::max({count, partial_count(data_, x_count()),
                        partial_count(weights_, geometry_.filter_count()),
                        gradient_partials(geometry_.pixels(), all_outputs())});
    return static_cast<std::size_t>(count) * sizeof(float);
  }

  void forward(std::uint64_t) override {
    LinearGeometry g = geometry_;
    g.x_pitch = pitch_of(binding_.bottoms[0]);
    ffma_forward(stream_, g, forward_, binding_.bottoms[0].data, binding_.params[0], top_output(),
                 scratch());
  }

  void backward(std::uint64_t) override {
    const OpTensor &x = binding_.bottoms[0], &dy = binding_.top_grads[0],
                   &dx = binding_.bottom_grads[0];
    LinearGeometry g = geometry_;
    g.x_pitch = pitch_of(x), g.y_pitch = pitch_of(dy);
    finish_gradient(scratch());
    if (dx.data)
      ffma_backward_data(stream_, g, data_, dy.data, binding_.params[0], dx.data, pitch_of(dx),
                         scratch());
    if (float* dw = binding_.param_grads[0])
      ffma_backward_weights(stream_, g, weights_, dy.data, x.data, dw, scratch());
  }

 private:
  [[nodiscard]] float* scratch() const { return reinterpret_cast<float*>(binding_.scratch); }

  GemmPlan forward_, data_, weights_;
};

}  // namespace

extern const Implementation kLinear{FOVEA_TARGET_NAME ":linear", supports_linear,
                                    create_op_of<LinearOp>};

}  // namespace fovea::FOVEA_TARGET
