// Convolution of up to four channels without a gradient of its input, on tensor cores: first
// layers.
//
//   x, rounded:  (N, H, W', 4), zeros beside the image in the place of its padding
//   w, rounded:  (K, R, L), a filter row being the 4 S values that lie one behind the other in x,
//   and
//                zeros up to L, whole pieces of 16 bytes
//   So a row is one tap of L channels of an image whose pixels are 4 apart: R taps in the place of
//   R S, no window over the left or right edge, and pieces across pixels. The rest is as in
//   linear_mma_op.cu.
//   dw: columns (R, L) of partial sums, of which S C of a row are the gradient
//   bytes: as linear_mma_op.cu, with 4 channels for C; operations: 2 N P Q K R L
//   Source: the "few channels" of implicit GEMM, as CUTLASS calls it.
#include "kernels/cuda/linear_mma.cuh"
#include "kernels/cuda/linear_mma_base.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr std::int32_t kPixel = 4;  // values of a pixel in memory

template <class Format>
class FirstLayerOp final : public LinearMmaBase<Format> {
  using Base = LinearMmaBase<Format>;
  using Base::binding_, Base::geometry_, Base::pitch_of, Base::scratch_, Base::stream_,
      Base::training_;

 public:
  explicit FirstLayerOp(const OpProblem& problem)
      : Base(problem),
        rows_(rows_as_channels(geometry_)),
        forward_(plan_mma_forward(rows_)),
        weights_(plan_mma_backward_weights(rows_)) {
    std::int64_t sums = partial_count(forward_, Base::y_count());
    if (training_) {
      sums = std::max({sums, weights_.splits * rows_.filter_count(),
                       gradient_partials(rows_.pixels(), rows_.outputs)});
    }
    scratch_.place(std::int64_t{image_rows()} * rows_.w * kPixel, rows_.filter_count(),
                   training_ ? Base::y_count() : 0, sums);
  }

  void forward(std::uint64_t) override {
    round_x();
    round_operand(stream_,
                  {rows_.outputs * rows_.r, geometry_.s, geometry_.channels,
                   geometry_.s * geometry_.channels, rows_.cg / kPixel, kPixel},
                  binding_.params[0], scratch_.w());
    mma_forward<Format>(stream_, rows_, forward_, scratch_.x(), scratch_.w(), Base::top_output(),
                        scratch_.partials());
  }

  void backward(std::uint64_t) override {
    const OpTensor& dy = binding_.top_grads[0];
    Base::finish_gradient(scratch_.partials());
    float* dw = binding_.param_grads[0];
    if (!dw) return;
    Base::round_channels(rows_.pixels(), rows_.outputs, pitch_of(dy), rows_.outputs, dy.data,
                         scratch_.dy());
    round_x();
    mma_backward_weights<Format>(
        stream_, rows_, weights_, scratch_.dy(), scratch_.x(), dw, scratch_.partials(),
        {rows_.cg, geometry_.s * geometry_.channels, kPixel, geometry_.channels});
  }

 private:
  // Filter rows as channels, see above.
  static LinearGeometry rows_as_channels(const LinearGeometry& g) {
    LinearGeometry rows = g;
    rows.cg = rows.channels = whole_pieces(kPixel * g.s, Base::kPiece);
    rows.s = 1, rows.pad[1] = 0;
    rows.w = (g.q - 1) * g.stride[1] + (rows.cg + kPixel - 1) / kPixel;
    rows.x_pitch = kPixel;
    return rows;
  }

  [[nodiscard]] std::int32_t image_rows() const { return geometry_.n * geometry_.h; }

  void round_x() const {
    const OpTensor& x = binding_.bottoms[0];
    expects(pitch_of(x) == geometry_.channels, "an input that is no slice");
    round_operand(stream_,
                  {image_rows(), geometry_.w, geometry_.channels, geometry_.w * geometry_.channels,
                   rows_.w, kPixel, geometry_.pad[1]},
                  x.data, scratch_.x());
  }

  LinearGeometry rows_;
  GemmPlan forward_, weights_;
};

template <class Format>
std::string supports(const OpProblem& problem, Precision precision) {
  if (std::string reason = supports_linear(problem); !reason.empty()) return reason;
  if (problem.precision < precision) return "a finer precision";
  const LinearGeometry g = linear_geometry(problem);
  if (g.groups != 1 || g.channels > kPixel) return "more than four channels";
  if (g.r * g.s == 1) return "no window";
  if (problem.training && problem.propagate[0]) return "a gradient of the input";
  // Every window starts at a whole piece, and dy needs no padding.
  if (g.stride[1] * kPixel % LinearMmaBase<Format>::kPiece != 0) return "windows between pieces";
  return g.outputs % LinearMmaBase<Format>::kPiece == 0 ? "" : "outputs in no whole pieces";
}
std::string supports_tf32(const OpProblem& problem) {
  return supports<Tf32Format>(problem, Precision::kTf32);
}
std::string supports_bf16(const OpProblem& problem) {
  return supports<Bf16Format>(problem, Precision::kBf16);
}

}  // namespace

extern const Implementation kFirstLayerTf32, kFirstLayerBf16;
const Implementation kFirstLayerTf32{FOVEA_TARGET_NAME ":first_layer_tf32", supports_tf32,
                                     create_op_of<FirstLayerOp<Tf32Format>>};
const Implementation kFirstLayerBf16{FOVEA_TARGET_NAME ":first_layer_bf16", supports_bf16,
                                     create_op_of<FirstLayerOp<Bf16Format>>};

}  // namespace fovea::FOVEA_TARGET
