// Convolution and inner product as operations of a net, on tensor cores.
//
//   Operands are copied to scratch, rounded once and padded to pieces of 16 bytes: 8 bytes per
//   value of x, dy and w in tf32, 6 in bf16, on top of the products' own traffic. Activations,
//   parameters and gradients stay single precision in memory.
#include "kernels/cuda/gemm_mma.cuh"
#include "kernels/cuda/linear_mma.cuh"
#include "kernels/cuda/linear_op.cuh"
#include "kernels/cuda/linear_operands.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

template <class Format>
class LinearMmaOp final : public LinearBase {
 public:
  using T = typename Format::Element;

  explicit LinearMmaOp(const OpProblem& problem) : LinearBase(problem), padded_(geometry_) {
    constexpr std::int32_t kPiece = 4 * Format::kPerWord;
    padded_.cg = (geometry_.channels + kPiece - 1) / kPiece * kPiece;
    padded_.kg = (geometry_.outputs + kPiece - 1) / kPiece * kPiece;
    padded_.x_pitch = padded_.groups * padded_.cg;
    padded_.y_pitch = padded_.groups * padded_.kg;
    index32(padded_.filter_count());
    forward_ = plan_mma_forward(padded_);
    data_ = plan_mma_backward_data(padded_);
    weights_ = plan_mma_backward_weights(padded_);
    // Scratch: x, w, dy in operands, then partial sums.
    w_at_ = aligned(bytes_of(std::int64_t{x_pixels()} * padded_.x_pitch));
    dy_at_ = w_at_ + aligned(bytes_of(padded_.filter_count()));
    partials_at_ = dy_at_;
    std::int64_t partials = partial_sums(forward_, y_count());
    if (training_) {
      partials_at_ += aligned(bytes_of(std::int64_t{padded_.pixels()} * padded_.y_pitch));
      const std::int64_t dw = std::int64_t{all_outputs()} * padded_.taps() * padded_.cg;
      const bool pads = padded_.cg != padded_.channels;
      partials = std::max({partials, partial_sums(data_, x_count()),
                           pads ? weights_.splits * dw : partial_sums(weights_, dw),
                           gradient_partials(padded_.pixels(), all_outputs())});
    }
    scratch_bytes_ = partials_at_ + static_cast<std::size_t>(partials) * sizeof(float);
  }

  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }

  void forward(std::uint64_t) override {
    round_x();
    round_w();
    mma_forward<Format>(stream_, padded_, forward_, at(0), at(w_at_), top_output(), partials());
  }

  void backward(std::uint64_t) override {
    const OpTensor &dy = binding_.top_grads[0], &dx = binding_.bottom_grads[0];
    float* dw = binding_.param_grads[0];
    finish_gradient(partials());
    if (!dx.data && !dw) return;
    const std::int32_t pixels = padded_.pixels();
    round_channels(pixels, padded_.outputs, pitch_of(dy), padded_.kg, dy.data, at(dy_at_));
    if (dx.data) {
      round_w();
      mma_backward_data<Format>(stream_, padded_, data_, at(dy_at_), at(w_at_), dx.data,
                                pitch_of(dx), partials());
    }
    if (dw) {
      round_x();
      mma_backward_weights<Format>(stream_, padded_, weights_, at(dy_at_), at(0), dw, partials(),
                                   {padded_.cg, padded_.channels, padded_.cg, padded_.channels});
    }
  }

 private:
  static std::size_t bytes_of(std::int64_t count) {
    return static_cast<std::size_t>(index32(count)) * sizeof(T);
  }
  static std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
  static std::int64_t partial_sums(const GemmPlan& plan, std::int64_t count) {
    return plan.splits > 1 ? plan.splits * count : 0;
  }
  [[nodiscard]] T* at(std::size_t byte) const {
    return reinterpret_cast<T*>(binding_.scratch + byte);
  }
  [[nodiscard]] float* partials() const {
    return reinterpret_cast<float*>(binding_.scratch + partials_at_);
  }

  void round_channels(std::int32_t pixels, std::int32_t channels, std::int32_t pitch,
                      std::int32_t to_channels, const float* from, T* to) const {
    const std::int32_t groups = padded_.groups;
    round_operand(stream_, {pixels, groups, channels, pitch, groups, to_channels}, from, to);
  }
  void round_x() const {
    const OpTensor& x = binding_.bottoms[0];
    round_channels(x_pixels(), padded_.channels, pitch_of(x), padded_.cg, x.data, at(0));
  }
  void round_w() const {
    const std::int32_t lines = padded_.outputs * padded_.taps();
    round_operand(stream_,
                  {padded_.groups, lines, padded_.channels, lines * padded_.channels,
                   padded_.kg * padded_.taps(), padded_.cg},
                  binding_.params[0], at(w_at_));
  }

  LinearGeometry padded_;
  GemmPlan forward_, data_, weights_;
  std::size_t w_at_ = 0, dy_at_ = 0, partials_at_ = 0, scratch_bytes_ = 0;
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
