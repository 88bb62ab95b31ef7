// Max and average pooling (kernels/ops/pooling.h), forward and backward.
//
//   x (N,H,W,C), y (N,P,Q,C); winner (N,P,Q,C): index r S + s of the first maximum in its window,
//   one byte where windows have at most 256 taps, else two; kept in training only
//   forward  thread: one (n, p, q) and 4 channels (1 where C is no multiple of 4)
//   backward thread: one (n, h, w) and as many channels, gathering from the windows over it: no
//            atomics, a fixed order of summation
//   bytes per output: forward 4 stride^2 + 4 + 1, backward the same the other way; overlapping
//   windows are read from L1
//   Caffe pooling_layer.cu
#include "kernels/cuda/device/channels.cuh"
#include "kernels/cuda/device/window.cuh"
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

struct Geometry {
  int images, height, width, channels, rows, columns;  // N H W C P Q
  int top_pitch;  // values of y, dy from pixel to pixel: a slice of a wider tensor has more than C
  int kernel[2], stride[2], pad[2];
  Divisor vectors, row_length, plane;  // of the indices of forward's or backward's threads
};

// Caffe's divisor: the window clipped to [.., extent + pad).
__device__ __forceinline__ int padded_length(int output, int kernel, int stride, int pad,
                                             int extent) {
  const int start = output * stride - pad;
  return min(start + kernel, extent + pad) - start;
}

// (n, row, column, first channel) of a thread.
struct Place {
  int n, row, column, channel;
  bool inside;
};
template <int kWidth>
__device__ __forceinline__ Place place(const Geometry& g) {
  const int thread = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const Quotient vector = g.vectors.divide(thread), n = g.plane.divide(vector.quotient),
                 row = g.row_length.divide(n.remainder);
  return {n.quotient, row.quotient, row.remainder, vector.remainder * kWidth,
          n.quotient < g.images};
}

// Null winners: inference.
template <int kWidth, class Index>
__global__ void max_forward(Geometry g, const float* x, float* y, Index* winners) {
  const Place at = place<kWidth>(g);
  if (!at.inside) return;
  const Window h = clipped(at.row, g.kernel[0], g.stride[0], g.pad[0], g.height);
  const Window w = clipped(at.column, g.kernel[1], g.stride[1], g.pad[1], g.width);
  const int top = at.row * g.stride[0] - g.pad[0], left = at.column * g.stride[1] - g.pad[1];
  Channels<kWidth> best;
  int winner[kWidth];
  for (int i = 0; i < kWidth; ++i) best.value[i] = -INFINITY, winner[i] = 0;
  for (int row = h.begin; row < h.end; ++row) {
    const float* line = x + static_cast<std::int64_t>(at.n * g.height + row) * g.width * g.channels;
    for (int column = w.begin; column < w.end; ++column) {
      const auto value = load_channels<kWidth>(line + column * g.channels + at.channel);
      const int tap = (row - top) * g.kernel[1] + column - left;
      for (int i = 0; i < kWidth; ++i) {
        if (value.value[i] > best.value[i]) best.value[i] = value.value[i], winner[i] = tap;
      }
    }
  }
  const int pixel = (at.n * g.rows + at.row) * g.columns + at.column;
  store_channels<kWidth>(y + pixel * g.top_pitch + at.channel, best);
  if (winners) {
    const int to = pixel * g.channels + at.channel;
    for (int i = 0; i < kWidth; ++i) winners[to + i] = static_cast<Index>(winner[i]);
  }
}

// dx: sum of dy where this input won, or of dy / divisor (average: `winners` unused).
template <int kWidth, class Index, bool kMax>
__global__ void backward_gather(Geometry g, const float* dy, const Index* winners, float* dx) {
  const Place at = place<kWidth>(g);
  if (!at.inside) return;
  const Window p = covering(at.row, g.kernel[0], g.stride[0], g.pad[0], g.rows);
  const Window q = covering(at.column, g.kernel[1], g.stride[1], g.pad[1], g.columns);
  Channels<kWidth> sum{};
  for (int row = p.begin; row < p.end; ++row) {
#pragma unroll 2  // more would hold more addresses than registers that leave room for five blocks
    for (int column = q.begin; column < q.end; ++column) {
      const int pixel = (at.n * g.rows + row) * g.columns + column;
      const auto above = load_channels<kWidth>(dy + pixel * g.top_pitch + at.channel);
      if constexpr (kMax) {
        const int tap = (at.row - (row * g.stride[0] - g.pad[0])) * g.kernel[1] + at.column -
                        (column * g.stride[1] - g.pad[1]);
        const int from = pixel * g.channels + at.channel;
        for (int i = 0; i < kWidth; ++i)
          sum.value[i] += static_cast<int>(winners[from + i]) == tap ? above.value[i] : 0.0F;
      } else {
        const float divisor =
            static_cast<float>(padded_length(row, g.kernel[0], g.stride[0], g.pad[0], g.height) *
                               padded_length(column, g.kernel[1], g.stride[1], g.pad[1], g.width));
        for (int i = 0; i < kWidth; ++i) sum.value[i] += above.value[i] / divisor;
      }
    }
  }
  const std::int64_t to =
      static_cast<std::int64_t>((at.n * g.height + at.row) * g.width + at.column) * g.channels +
      at.channel;
  store_channels<kWidth>(dx + to, sum);
}

template <int kWidth>
__global__ void average_forward(Geometry g, const float* x, float* y) {
  const Place at = place<kWidth>(g);
  if (!at.inside) return;
  const Window h = clipped(at.row, g.kernel[0], g.stride[0], g.pad[0], g.height);
  const Window w = clipped(at.column, g.kernel[1], g.stride[1], g.pad[1], g.width);
  Channels<kWidth> sum{};
  for (int row = h.begin; row < h.end; ++row) {
    const float* line = x + static_cast<std::int64_t>(at.n * g.height + row) * g.width * g.channels;
    for (int column = w.begin; column < w.end; ++column) {
      const auto value = load_channels<kWidth>(line + column * g.channels + at.channel);
      for (int i = 0; i < kWidth; ++i) sum.value[i] += value.value[i];
    }
  }
  const float divisor =
      static_cast<float>(padded_length(at.row, g.kernel[0], g.stride[0], g.pad[0], g.height) *
                         padded_length(at.column, g.kernel[1], g.stride[1], g.pad[1], g.width));
  for (int i = 0; i < kWidth; ++i) sum.value[i] /= divisor;
  const int pixel = (at.n * g.rows + at.row) * g.columns + at.column;
  store_channels<kWidth>(y + pixel * g.top_pitch + at.channel, sum);
}

class PoolingOp final : public DeviceOp {
 public:
  explicit PoolingOp(const OpProblem& problem)
      : DeviceOp(problem),
        p_(resolved(std::get<PoolingParams>(problem.params), problem.bottoms[0])),
        keeps_winners_(problem.training && p_.mode == PoolingMode::kMax),
        top_count_(problem.tops[0].count()) {}
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  bool take_value_slice(std::size_t) override { return true; }
  bool take_gradient_slice(std::size_t) override { return true; }
  [[nodiscard]] std::size_t state_bytes() const override {
    return keeps_winners_ ? static_cast<std::size_t>(top_count_) * (narrow() ? 1 : 2) : 0;
  }

  void forward(std::uint64_t) override {
    const OpTensor& top = binding_.tops[0];
    dispatch(top.shape, top, [&](auto width, auto index, const Geometry& g, dim3 grid) {
      constexpr int kWidth = decltype(width)::value;
      using Index = decltype(index);
      const float* x = binding_.bottoms[0].data;
      float* y = top.data;
      if (p_.mode == PoolingMode::kMax) {
        launch<max_forward<kWidth, Index>>(grid, kThreads, 0, stream_, g, x, y, winners<Index>());
      } else {
        launch<average_forward<kWidth>>(grid, kThreads, 0, stream_, g, x, y);
      }
    });
  }
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    const OpTensor& top = binding_.top_grads[0];
    dispatch(binding_.bottoms[0].shape, top,
             [&](auto width, auto index, const Geometry& g, dim3 grid) {
               constexpr int kWidth = decltype(width)::value;
               using Index = decltype(index);
               const float* dy = top.data;
               if (p_.mode == PoolingMode::kMax) {
                 launch<backward_gather<kWidth, Index, true>>(grid, kThreads, 0, stream_, g, dy,
                                                              winners<Index>(), dx);
               } else {
                 launch<backward_gather<kWidth, Index, false>>(grid, kThreads, 0, stream_, g, dy,
                                                               winners<Index>(), dx);
               }
             });
  }

 private:
  [[nodiscard]] bool narrow() const { return p_.kernel[0] * p_.kernel[1] <= 256; }
  template <class Index>
  [[nodiscard]] Index* winners() const {
    return keeps_winners_ ? reinterpret_cast<Index*>(binding_.state) : nullptr;
  }

  // body(width, Index{}, geometry, grid) with threads over `out`; `top`: y or dy.
  template <class Body>
  void dispatch(const Shape& out, const OpTensor& top, Body&& body) const {
    const Shape &x = binding_.bottoms[0].shape, &y = binding_.tops[0].shape;
    const std::int32_t pitch = pixel_pitch(top);
    const bool wide = x.c() % 4 == 0 && pitch % 4 == 0 && aligned16(top.data);
    const std::int64_t vectors = wide ? x.c() / 4 : x.c();
    Geometry g{index32(x.n()),
               index32(x.h()),
               index32(x.w()),
               index32(x.c()),
               index32(y.h()),
               index32(y.w()),
               pitch,
               {},
               {},
               {},
               Divisor(vectors),
               Divisor(out.w()),
               Divisor(out.h() * out.w())};
    for (std::size_t i = 0; i < 2; ++i) {
      g.kernel[i] = index32(p_.kernel[i]);
      g.stride[i] = index32(p_.stride[i]);
      g.pad[i] = index32(p_.pad[i]);
    }
    (void)index32(x.count());
    const dim3 grid = blocks_for(out.n() * out.h() * out.w() * vectors, kThreads);
    const auto with_index = [&](auto width) {
      narrow() ? body(width, std::uint8_t{}, g, grid) : body(width, std::uint16_t{}, g, grid);
    };
    wide ? with_index(std::integral_constant<int, 4>{})
         : with_index(std::integral_constant<int, 1>{});
  }

  PoolingParams p_;
  bool keeps_winners_;
  std::int64_t top_count_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<PoolingParams>(&problem.params);
  if (!params) return "another operation";
  const PoolingParams p = resolved(*params, problem.bottoms[0]);
  return p.kernel[0] * p.kernel[1] <= 65536 ? "" : "a window of more than 65536 taps";
}

}  // namespace

extern const Implementation kPooling{FOVEA_TARGET_NAME ":pooling", supports,
                                     create_op_of<PoolingOp>};

}  // namespace fovea::FOVEA_TARGET
