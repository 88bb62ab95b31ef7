// Convolution and inner product in true float32, forward and both gradients, as products whose
// operands are gathered on load (implicit GEMM; Chetlur et al. 2014, "cuDNN"). An inner product is
// the convolution whose window is the whole image.
//
//   x (N,H,W,C), w (K,R,S,C/G), y (N,P,Q,K); group g owns C/G inputs and K/G outputs
//   forward            m = (n,p,q)  n = k      k = (r,s,c)    y = relu(b + x w)
//   backward, data     m = (n,h,w)  n = c      k = (r,s,k)    dx = dz w
//   backward, weights  m = k        n = (r,s,c) k = (n,p,q)   dw = dz x
//   dz = dy where y > 0, else slope dy, when a ReLU is fused; bias gradient: column sums of dz
//   launch: tiles of 64 x 64 of the product, 256 threads (device/product.cuh); no atomics: every
//   sum runs in the order of its index 2 N P Q K R S C/G FLOP each; traffic: x, w, y once per tile
//   row or column
#include "kernels/cuda/device/product.cuh"
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

struct Geometry {
  int height, width, channels, rows, columns, outputs;  // H W C P Q K
  int group_channels, group_outputs;                    // C/G, K/G
  int stride[2], pad[2], kernel[2];
  Divisor by_plane, by_row;         // P Q and Q (or H W and W)
  Divisor by_depth, by_kernel_row;  // C/G (or K/G) and S
};

// The gradient at z, in front of a fused ReLU.
struct TopGradient {
  const float *dy, *y;  // null y: no ReLU
  float slope;
  __device__ __forceinline__ float operator()(std::int64_t at) const {
    const float d = dy[at];
    return y && !(y[at] > 0) ? d * slope : d;
  }
};

__device__ __forceinline__ std::int64_t pixel(int n, int rows, int row, int columns, int column,
                                              int channels) {
  return (static_cast<std::int64_t>(n * rows + row) * columns + column) * channels;
}

// x under tap `rsc` of output pixel `npq`; 0 on padding.
__device__ __forceinline__ float input_at(const Geometry& g, const float* x, int group, int npq,
                                          int rsc) {
  const Quotient n = g.by_plane.divide(npq), p = g.by_row.divide(n.remainder);
  const Quotient tap = g.by_depth.divide(rsc), r = g.by_kernel_row.divide(tap.quotient);
  const int h = p.quotient * g.stride[0] - g.pad[0] + r.quotient;
  const int w = p.remainder * g.stride[1] - g.pad[1] + r.remainder;
  if (h < 0 || h >= g.height || w < 0 || w >= g.width) return 0;
  return x[pixel(n.quotient, g.height, h, g.width, w, g.channels) + group * g.group_channels +
           tap.remainder];
}

struct Forward {
  static constexpr bool kRowsOfA = true, kRowsOfB = true;
  int m, n, k;
  Geometry g;
  const float *x, *weight, *bias;  // null bias: none
  float* y;
  bool relu;
  float slope;

  __device__ __forceinline__ float a(int group, int npq, int rsc) const {
    return input_at(g, x, group, npq, rsc);
  }
  __device__ __forceinline__ float b(int group, int rsc, int output) const {
    return weight[static_cast<std::int64_t>(group * g.group_outputs + output) * k + rsc];
  }
  __device__ __forceinline__ void store(int group, int npq, int output, float value) const {
    const int to = group * g.group_outputs + output;
    if (bias) value += bias[to];
    if (relu) value = fmaxf(value, 0.0F) + slope * fminf(value, 0.0F);
    y[static_cast<std::int64_t>(npq) * g.outputs + to] = value;
  }
};

struct BackwardData {
  static constexpr bool kRowsOfA = true, kRowsOfB = false;
  int m, n, k;
  Geometry g;
  TopGradient dz;
  const float* weight;
  float* dx;

  // dz of the output that sees input pixel `nhw` under tap (r, s), if there is one.
  __device__ __forceinline__ float a(int group, int nhw, int rsk) const {
    const Quotient image = g.by_plane.divide(nhw), h = g.by_row.divide(image.remainder);
    const Quotient tap = g.by_depth.divide(rsk), r = g.by_kernel_row.divide(tap.quotient);
    const int row = h.quotient + g.pad[0] - r.quotient,
              column = h.remainder + g.pad[1] - r.remainder;
    if (row < 0 || column < 0 || row % g.stride[0] != 0 || column % g.stride[1] != 0) return 0;
    const int p = row / g.stride[0], q = column / g.stride[1];
    if (p >= g.rows || q >= g.columns) return 0;
    return dz(pixel(image.quotient, g.rows, p, g.columns, q, g.outputs) + group * g.group_outputs +
              tap.remainder);
  }
  __device__ __forceinline__ float b(int group, int rsk, int channel) const {
    const Quotient tap = g.by_depth.divide(rsk);
    const std::int64_t filter = group * g.group_outputs + tap.remainder;
    return weight[(filter * (g.kernel[0] * g.kernel[1]) + tap.quotient) * g.group_channels +
                  channel];
  }
  __device__ __forceinline__ void store(int group, int nhw, int channel, float value) const {
    dx[static_cast<std::int64_t>(nhw) * g.channels + group * g.group_channels + channel] = value;
  }
};

struct BackwardWeights {
  static constexpr bool kRowsOfA = false, kRowsOfB = false;
  int m, n, k;
  Geometry g;
  TopGradient dz;
  const float* x;
  float* dw;

  __device__ __forceinline__ float a(int group, int output, int npq) const {
    return dz(static_cast<std::int64_t>(npq) * g.outputs + group * g.group_outputs + output);
  }
  __device__ __forceinline__ float b(int group, int npq, int rsc) const {
    return input_at(g, x, group, npq, rsc);
  }
  __device__ __forceinline__ void store(int group, int output, int rsc, float value) const {
    dw[static_cast<std::int64_t>(group * g.group_outputs + output) * n + rsc] = value;
  }
};

// db[k] = sum of dz[.., k]: a block owns 32 outputs, its 8 warps every 8th pixel each.
__global__ void bias_gradient(int pixels, int outputs, TopGradient dz, float* db) {
  FOVEA_SHARED(float, part, 8, 32);
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int output = static_cast<int>(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (output < outputs) {
    for (int i = warp; i < pixels; i += 8)
      sum += dz(static_cast<std::int64_t>(i) * outputs + output);
  }
  part[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || output >= outputs) return;
  for (int i = 1; i < 8; ++i) sum += part[i][lane];
  db[output] = sum;
}

// The convolution that an inner product is, too.
ConvolutionParams as_convolution(const OpProblem& problem) {
  if (const auto* p = std::get_if<ConvolutionParams>(&problem.params)) return *p;
  const auto& p = std::get<InnerProductParams>(problem.params);
  const Shape& x = problem.bottoms[0];
  return {.outputs = p.outputs, .kernel = {x.h(), x.w()}, .bias = p.bias};
}

class LinearOp final : public DeviceOp {
 public:
  explicit LinearOp(const OpProblem& problem)
      : DeviceOp(problem),
        p_(as_convolution(problem)),
        relu_(problem.fused_relu),
        slope_(problem.relu_slope) {
    const Shape& x = problem.bottoms[0];
    x_ = {x.n(), x.c(), x.h(), x.w()};
    y_ = output_shape(p_, x_);
    g_ = {index32(x_.h()),
          index32(x_.w()),
          index32(x_.c()),
          index32(y_.h()),
          index32(y_.w()),
          index32(y_.c()),
          index32(x_.c() / p_.groups),
          index32(y_.c() / p_.groups),
          {},
          {},
          {},
          Divisor(y_.h() * y_.w()),
          Divisor(y_.w()),
          Divisor(x_.c() / p_.groups),
          Divisor(p_.kernel[1])};
    for (std::size_t i = 0; i < 2; ++i) {
      g_.stride[i] = index32(p_.stride[i]), g_.pad[i] = index32(p_.pad[i]);
      g_.kernel[i] = index32(p_.kernel[i]);
    }
    (void)index32(x_.count()), (void)index32(y_.count());
    // Backward data runs over input pixels and output channels.
    back_ = g_;
    back_.by_plane = Divisor(x_.h() * x_.w()), back_.by_row = Divisor(x_.w());
    back_.by_depth = Divisor(y_.c() / p_.groups);
  }
  [[nodiscard]] bool backward_reads_tops() const override { return relu_; }

  [[nodiscard]] std::int64_t param_storage(std::size_t k) const override {
    return k == 0 ? weight_shape(p_, x_).count() : p_.outputs;
  }
  void pack_param(std::size_t k, const float* plain, float* packed) const override {
    for_each_weight(k, [&](std::int64_t from, std::int64_t to) { packed[to] = plain[from]; });
  }
  void unpack_param(std::size_t k, const float* packed, float* plain) const override {
    for_each_weight(k, [&](std::int64_t to, std::int64_t from) { plain[to] = packed[from]; });
  }

  void forward(std::uint64_t) override {
    const float* bias = binding_.params.size() > 1 ? binding_.params[1] : nullptr;
    product(Forward{index32(y_.n() * y_.h() * y_.w()), g_.group_outputs, depth(), g_,
                    binding_.bottoms[0].data, binding_.params[0], bias, binding_.tops[0].data,
                    relu_, slope_});
  }
  void backward(std::uint64_t) override {
    const TopGradient dz{binding_.top_grads[0].data, relu_ ? binding_.tops[0].data : nullptr,
                         slope_};
    const int pixels = index32(y_.n() * y_.h() * y_.w());
    if (float* dx = binding_.bottom_grads[0].data) {
      product(BackwardData{index32(x_.n() * x_.h() * x_.w()), g_.group_channels,
                           index32(p_.kernel[0] * p_.kernel[1] * g_.group_outputs), back_, dz,
                           binding_.params[0], dx});
    }
    if (binding_.param_grads.empty()) return;
    if (float* dw = binding_.param_grads[0])
      product(
          BackwardWeights{g_.group_outputs, depth(), pixels, g_, dz, binding_.bottoms[0].data, dw});
    float* db = binding_.param_grads.size() > 1 ? binding_.param_grads[1] : nullptr;
    if (db)
      launch<bias_gradient>(blocks_for(y_.c(), 32), dim3(32, 8), 0, stream_, pixels, g_.outputs, dz,
                            db);
  }

 private:
  [[nodiscard]] int depth() const {
    return index32(p_.kernel[0] * p_.kernel[1] * g_.group_channels);
  }
  template <class Problem>
  void product(const Problem& problem) const {
    const dim3 grid(blocks_for(problem.m, kProductTile).x, blocks_for(problem.n, kProductTile).x,
                    static_cast<unsigned>(p_.groups));
    launch<tiled_product<Problem>>(grid, kProductThreads, 0, stream_, problem);
  }
  // visit(place in K C R S, place in K R S C)
  template <class Visit>
  void for_each_weight(std::size_t k, Visit&& visit) const {
    const Shape w = weight_shape(p_, x_);
    const std::int64_t channels = w[1], taps = w[2] * w[3];
    if (k == 1) {
      for (std::int64_t i = 0; i < p_.outputs; ++i) visit(i, i);
      return;
    }
    for (std::int64_t o = 0; o < w[0]; ++o) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t t = 0; t < taps; ++t)
          visit((o * channels + c) * taps + t, (o * taps + t) * channels + c);
      }
    }
  }

  ConvolutionParams p_;
  bool relu_;
  float slope_;
  Shape x_, y_;
  Geometry g_, back_;
};

std::string supports(const OpProblem& problem) {
  const bool linear = std::holds_alternative<ConvolutionParams>(problem.params) ||
                      std::holds_alternative<InnerProductParams>(problem.params);
  if (!linear) return "another operation";
  return problem.fused_relu && problem.relu_slope < 0 ? "a fused ReLU of negative slope" : "";
}

}  // namespace

extern const Implementation kLinear{FOVEA_TARGET_NAME ":linear_fp32", supports,
                                    create_op_of<LinearOp>};

}  // namespace fovea::FOVEA_TARGET
