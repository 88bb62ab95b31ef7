// Convolution and inner product as operations of a net, on tensor cores.
//
//   Operands are copied to scratch, rounded once and padded to pieces of 16 bytes: 8 bytes per
//   value of x, dy and w in tf32, 6 in bf16, on top of the products' own traffic. Activations,
//   parameters and gradients stay single precision in memory.
#include "kernels/cuda/linear_mma.cuh"
#include "kernels/cuda/linear_mma_base.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

template <class Format>
class LinearMmaOp final : public LinearMmaBase<Format> {
  using Base = LinearMmaBase<Format>;
  using Base::all_outputs, Base::binding_, Base::geometry_, Base::pitch_of, Base::round_channels,
      Base::scratch_, Base::stream_, Base::training_, Base::x_pixels;

 public:
  explicit LinearMmaOp(const OpProblem& problem) : Base(problem), padded_(geometry_) {
    padded_.cg = whole_pieces(geometry_.channels, Base::kPiece);
    padded_.kg = whole_pieces(geometry_.outputs, Base::kPiece);
    padded_.x_pitch = padded_.groups * padded_.cg;
    padded_.y_pitch = padded_.groups * padded_.kg;
    forward_ = plan_mma_forward(padded_);
    data_ = plan_mma_backward_data(padded_);
    weights_ = plan_mma_backward_weights(padded_);
    std::int64_t sums = partial_count(forward_, Base::y_count());
    if (training_) {
      const std::int64_t dw = std::int64_t{all_outputs()} * padded_.taps() * padded_.cg;
      const bool pads = padded_.cg != padded_.channels;
      sums = std::max({sums, partial_count(data_, Base::x_count()),
                       pads ? weights_.splits * dw : partial_count(weights_, dw),
                       gradient_partials(padded_.pixels(), all_outputs())});
    }
    const std::int64_t dy = std::int64_t{padded_.pixels()} * padded_.y_pitch;
    scratch_.place(std::int64_t{x_pixels()} * padded_.x_pitch, padded_.filter_count(),
                   training_ ? dy : 0, sums);
  }

  void forward(std::uint64_t) override {
    round_x();
    round_w();
    mma_forward<Format>(stream_, padded_, forward_, scratch_.x(), scratch_.w(), Base::top_output(),
                        scratch_.partials());
  }

  void backward(std::uint64_t) override {
    const OpTensor &dy = binding_.top_grads[0], &dx = binding_.bottom_grads[0];
    float* dw = binding_.param_grads[0];
    Base::finish_gradient(scratch_.partials());
    if (!dx.data && !dw) return;
    const std::int32_t pixels = padded_.pixels();
    round_channels(pixels, padded_.outputs, pitch_of(dy), padded_.kg, dy.data, scratch_.dy());
    if (dx.data) {
      round_w();
      mma_backward_data<Format>(stream_, padded_, data_, scratch_.dy(), scratch_.w(), dx.data,
                                pitch_of(dx), scratch_.partials());
    }
    if (dw) {
      round_x();
      mma_backward_weights<Format>(stream_, padded_, weights_, scratch_.dy(), scratch_.x(), dw,
                                   scratch_.partials(),
                                   {padded_.cg, padded_.channels, padded_.cg, padded_.channels});
    }
  }

 private:
  void round_x() const {
    const OpTensor& x = binding_.bottoms[0];
    round_channels(x_pixels(), padded_.channels, pitch_of(x), padded_.cg, x.data, scratch_.x());
  }
  void round_w() const {
    const std::int32_t lines = padded_.outputs * padded_.taps();
    round_operand(stream_,
                  {padded_.groups, lines, padded_.channels, lines * padded_.channels,
                   padded_.kg * padded_.taps(), padded_.cg},
                  binding_.params[0], scratch_.w());
  }

  LinearGeometry padded_;
  GemmPlan forward_, data_, weights_;
};

std::string supports(const OpProblem& problem, Precision precision) {
  if (std::string reason = supports_linear(problem); !reason.empty()) return reason;
  if (problem.precision < precision) return "a finer precision";
  const LinearGeometry g = linear_geometry(problem);
  // The weights are then most of the traffic, and copies of them would treble it.
  if (g.plain() && g.pixels() <= 64) return "too few rows";
  return "";
}
std::string supports_tf32(const OpProblem& problem) { return supports(problem, Precision::kTf32); }
std::string supports_bf16(const OpProblem& problem) {
  const std::string reason = supports(problem, Precision::kBf16);
  // Three channels would be padded to eight.
  return reason.empty() && linear_geometry(problem).channels <= 4 ? "few channels" : reason;
}

}  // namespace

extern const Implementation kLinearTf32, kLinearBf16;
const Implementation kLinearTf32{FOVEA_TARGET_NAME ":linear_tf32", supports_tf32,
                                 create_op_of<LinearMmaOp<Tf32Format>>};
const Implementation kLinearBf16{FOVEA_TARGET_NAME ":linear_bf16", supports_bf16,
                                 create_op_of<LinearMmaOp<Bf16Format>>};

}  // namespace fovea::FOVEA_TARGET
