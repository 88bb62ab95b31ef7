// 1x1 convolutions of one tensor as one matrix product in each pass (kernels/ops/siblings.h).
//
//   rows = N H W pixels, columns = the outputs of all siblings, each padded to whole pieces of 16
//   bytes; weights, and backward dy, are copied side by side into scratch
//   forward: one product whose bands of columns go to the tops (GemmParts)
//   backward: one product for dx, one for all dw, whose bands of rows are added up from their
//   shares of k by themselves
//   bytes: x and dx once, however many siblings there are; 8 per value of w and dy for the copies
//   (bf16: 6), and of x on tensor cores
#include "kernels/ops/siblings.h"

#include "kernels/cuda/filter_order.h"
#include "kernels/cuda/linear_gradient.cuh"
#include "kernels/cuda/linear_mma_launch.cuh"
#include "kernels/cuda/linear_operands.cuh"
#include "kernels/cuda/operand_scratch.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

// How products are computed.
struct SinglePrecision {
  using Element = float;
  static constexpr std::int32_t kPiece = 4;
  static constexpr bool kCopiesX = false;
  using Rows = MatrixRows<float, kPiece>;
  static constexpr auto plan_forward = plan_ffma_forward, plan_data = plan_ffma_backward_data,
                        plan_weights = plan_ffma_backward_weights;
  static constexpr auto backward_data = ffma_backward_data;
  static constexpr auto weights_shares = ffma_backward_weights_shares;
  static void copy(Stream stream, const OperandShape& shape, const float* from, float* to) {
    copy_operand(stream, shape, from, to);
  }
  template <class Problem>
  static void start(Stream stream, int tile, Problem& p) {
    start_ffma_tile(stream, tile, p, 1);
  }
};
template <class Format>
struct TensorCores {
  using Element = typename Format::Element;
  static constexpr std::int32_t kPiece = 4 * Format::kPerWord;
  static constexpr bool kCopiesX = true;
  using Rows = typename MmaOperands<Format>::Rows;
  static constexpr auto plan_forward = plan_mma_forward, plan_data = plan_mma_backward_data,
                        plan_weights = plan_mma_backward_weights;
  static constexpr auto backward_data = mma_backward_data<Format>;
  static constexpr auto weights_shares = mma_backward_weights_shares<Format>;
  static void copy(Stream stream, const OperandShape& shape, const float* from, Element* to) {
    round_operand(stream, shape, from, to);
  }
  template <class Problem>
  static void start(Stream stream, int tile, Problem& p) {
    start_mma_tile<Format>(stream, tile, p, 1);
  }
};

// One of the siblings: the columns from `first` on, `outputs` of which count.
struct Part {
  std::int32_t first, outputs, padded;
};

template <class Products>
class SiblingsOp final : public DeviceOp {
  using T = typename Products::Element;
  using Rows = typename Products::Rows;

 public:
  explicit SiblingsOp(const OpProblem& problem)
      : DeviceOp(problem),
        g_(linear_geometry(problem)),
        bias_(has_bias(problem)),
        relu_(problem.fused_relu),
        slope_(problem.relu_slope) {
    std::int32_t columns = 0;
    for (const Shape& top : problem.tops) {
      const std::int32_t outputs = index32(top.c()),
                         padded = whole_pieces(outputs, Products::kPiece);
      parts_.push_back({columns, outputs, padded});
      columns += padded;
    }
    g_.outputs = g_.kg = g_.y_pitch = columns;
    g_.cg = Products::kCopiesX ? whole_pieces(g_.channels, Products::kPiece) : g_.channels;
    g_.x_pitch = g_.cg;
    forward_ = Products::plan_forward(g_), data_ = Products::plan_data(g_);
    weights_ = Products::plan_weights(g_);
    const std::int64_t y = std::int64_t{g_.pixels()} * columns,
                       x = std::int64_t{g_.pixels()} * g_.cg;
    std::int64_t sums = partial_count(forward_, y);
    if (problem.training)
      sums = std::max({sums, partial_count(data_, x), weights_.splits * g_.filter_count(),
                       gradient_partials(g_.pixels(), columns)});
    scratch_.place(Products::kCopiesX ? x : 0, g_.filter_count(), problem.training ? y : 0, sums);
  }

  [[nodiscard]] std::int64_t param_storage(std::size_t k) const override {
    const std::int64_t outputs = parts_.at(bias_ ? k / 2 : k).outputs;
    return is_bias(k) ? outputs : outputs * g_.channels;
  }
  void pack_param(std::size_t k, const float* plain, float* packed) const override {
    std::copy_n(plain, param_storage(k), packed);
  }
  void unpack_param(std::size_t k, const float* packed, float* plain) const override {
    std::copy_n(packed, param_storage(k), plain);
  }
  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_.bytes(); }
  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }
  bool take_value_slice(std::size_t) override { return true; }
  bool take_gradient_slice(std::size_t) override { return true; }
  void bind(const OpBinding& binding) override {
    DeviceOp::bind(binding);
    scratch_.bind(binding.scratch);
  }

  void forward(std::uint64_t) override {
    copy_weights();
    GemmProblem<Rows, Rows, 1, GemmParts> p{};
    p.a[0] = {x_operand(), g_.pixels(), g_.cg, g_.cg};
    p.b[0] = {scratch_.w(), g_.outputs, g_.cg, g_.cg};
    p.splits = forward_.splits;
    GemmParts& out = p.out[0];
    out.data = scratch_.partials(), out.rows = g_.pixels(), out.columns = g_.outputs;
    out.vector = true;
    out.count = static_cast<std::int32_t>(parts_.size());
    for (std::size_t i = 0; i < parts_.size(); ++i)
      out.first[i] = parts_[i].first, out.part[i] = top_output(i);
    Products::start(stream_, forward_.tile, p);
    if (forward_.splits == 1) return;
    for (std::size_t i = 0; i < parts_.size(); ++i)
      reduce_partials(stream_,
                      {scratch_.partials() + parts_[i].first, forward_.splits, parts_[i].outputs,
                       g_.outputs, g_.pixels() * g_.outputs},
                      1, out.part[i], 0, 0);
  }

  void backward(std::uint64_t) override {
    for (std::size_t i = 0; i < parts_.size(); ++i) finish_gradient(i);
    const OpTensor& dx = binding_.bottom_grads[0];
    const bool learns = std::ranges::any_of(parts_, [&](const Part& part) { return dw_of(part); });
    if (dx.data) {
      copy_weights();
      Products::backward_data(stream_, g_, data_, scratch_.dy(), scratch_.w(), dx.data,
                              pixel_pitch(dx), scratch_.partials());
    }
    if (!learns) return;
    Products::weights_shares(stream_, g_, weights_, scratch_.dy(), x_operand(),
                             scratch_.partials());
    for (const Part& part : parts_) {
      if (float* dw = dw_of(part))
        reduce_partials(stream_,
                        {scratch_.partials() + part.first * g_.cg, weights_.splits, g_.cg, g_.cg,
                         g_.outputs * g_.cg},
                        1, dense_output(dw, part.outputs, g_.channels, g_.channels, 0), 0, 0,
                        {g_.cg, g_.channels, g_.cg, g_.channels});
    }
  }

 private:
  [[nodiscard]] bool is_bias(std::size_t k) const { return bias_ && k % 2 == 1; }
  [[nodiscard]] std::size_t weights_of(std::size_t i) const { return bias_ ? 2 * i : i; }
  [[nodiscard]] float* dw_of(const Part& part) const {
    return binding_.param_grads[weights_of(static_cast<std::size_t>(&part - parts_.data()))];
  }

  // x as the products read it; a copy only where they want another element.
  const T* x_operand() const {
    const OpTensor& x = binding_.bottoms[0];
    if constexpr (Products::kCopiesX) {
      Products::copy(stream_, {g_.pixels(), 1, g_.channels, pixel_pitch(x), 1, g_.cg}, x.data,
                     scratch_.x());
      return scratch_.x();
    } else {
      return x.data;
    }
  }
  void copy_weights() const {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      Products::copy(stream_, {1, part.outputs, g_.channels, 0, part.padded, g_.cg},
                     binding_.params[weights_of(i)], scratch_.w() + part.first * g_.cg);
    }
  }
  // y_i with bias and ReLU.
  [[nodiscard]] GemmOutput top_output(std::size_t i) const {
    const OpTensor& y = binding_.tops[i];
    GemmOutput out = dense_output(y.data, g_.pixels(), parts_[i].outputs, pixel_pitch(y), 0);
    out.bias = bias_ ? binding_.params[2 * i + 1] : nullptr;
    out.relu = relu_, out.slope = slope_;
    return out;
  }
  // Masks dy_i in place, sums it to its bias gradient, and copies it to its columns.
  void finish_gradient(std::size_t i) const {
    const OpTensor &y = binding_.tops[i], &dy = binding_.top_grads[i];
    const GradientRows rows{.dy = dy.data,
                            .rows = g_.pixels(),
                            .channels = parts_[i].outputs,
                            .pitch = pixel_pitch(dy),
                            .y = relu_ ? y.data : nullptr,
                            .y_pitch = pixel_pitch(y),
                            .slope = slope_};
    mask_and_sum_gradient(stream_, rows, relu_ ? dy.data : nullptr,
                          bias_ ? binding_.param_grads[2 * i + 1] : nullptr, scratch_.partials());
    Products::copy(stream_,
                   {g_.pixels(), 1, rows.channels, rows.pitch, 1, parts_[i].padded, 0, g_.outputs},
                   dy.data, scratch_.dy() + parts_[i].first);
  }

  LinearGeometry g_;
  bool bias_, relu_;
  float slope_;
  std::vector<Part> parts_;
  GemmPlan forward_, data_, weights_;
  OperandScratch<T> scratch_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<ConvolutionParams>(&problem.params);
  if (!params || !is_sibling(*params)) return "no siblings";
  if (problem.tops.size() > kMostParts) return "too many siblings";
  return problem.relu_slope >= 0 ? "" : "a negative slope";
}
std::string supports_tf32(const OpProblem& problem) {
  return problem.precision < Precision::kTf32 ? "a finer precision" : supports(problem);
}
std::string supports_bf16(const OpProblem& problem) {
  return problem.precision < Precision::kBf16 ? "a finer precision" : supports(problem);
}
// x is read where it lies, in pieces.
std::string supports_single(const OpProblem& problem) {
  return problem.bottoms[0].c() % 4 == 0 ? supports(problem) : "channels in no whole pieces";
}

}  // namespace

extern const Implementation kSiblingsBf16, kSiblingsTf32, kSiblings;
const Implementation kSiblingsBf16{FOVEA_TARGET_NAME ":siblings_bf16", supports_bf16,
                                   create_op_of<SiblingsOp<TensorCores<Bf16Format>>>};
const Implementation kSiblingsTf32{FOVEA_TARGET_NAME ":siblings_tf32", supports_tf32,
                                   create_op_of<SiblingsOp<TensorCores<Tf32Format>>>};
const Implementation kSiblings{FOVEA_TARGET_NAME ":siblings", supports_single,
                               create_op_of<SiblingsOp<SinglePrecision>>};

}  // namespace fovea::FOVEA_TARGET
