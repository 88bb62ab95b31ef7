// Pooling over any layout, one (image, channel block) plane per task; the lanes of a block are one
// vector.
//
// Max keeps, per output and lane, the index of the winning tap inside its window (2 bytes);
// backward adds dy where a tap's index matches, so that no gradient is scattered and every plane
// belongs to one thread. Traffic per output: forward reads stride^2 inputs, writes 1 value and 2
// bytes; backward the reverse. Inference keeps no index.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/cpu/implementations.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/vector.h"

namespace fovea {
namespace {

using namespace cpu;

using TapIndex = std::uint16_t;
template <std::int64_t kLanes>
struct TapIndicesOf {
  typedef TapIndex Type __attribute__((vector_size(kLanes * sizeof(TapIndex))));
};
template <std::int64_t kLanes>
using TapIndices = typename TapIndicesOf<kLanes>::Type;

// One plane's geometry, shared by all four loops.
struct Plane {
  PoolingParams p;
  std::int64_t height, width, rows, columns;

  // Calls body(output position, input position of the first tap of the clipped window, row count,
  // column count, index of that first tap) for every output.
  template <class Body>
  void for_each_window(Body&& body) const {
    for (std::int64_t row = 0; row < rows; ++row) {
      const WindowRange h = clipped_window(row, p.kernel[0], p.stride[0], p.pad[0], height);
      const std::int64_t top = h.begin - (row * p.stride[0] - p.pad[0]);
      for (std::int64_t column = 0; column < columns; ++column) {
        const WindowRange w = clipped_window(column, p.kernel[1], p.stride[1], p.pad[1], width);
        const std::int64_t left = w.begin - (column * p.stride[1] - p.pad[1]);
        body(row, column, h, w, top * p.kernel[1] + left);
      }
    }
  }
  [[nodiscard]] float divisor(std::int64_t row, std::int64_t column) const {
    return static_cast<float>(
        padded_window_length(row, p.kernel[0], p.stride[0], p.pad[0], height) *
        padded_window_length(column, p.kernel[1], p.stride[1], p.pad[1], width));
  }
};

// body(row, column) for every tap of the clipped window; whole windows of the nets' usual sizes are
// unrolled.
template <class Body>
inline void for_each_tap(const PoolingParams& p, WindowRange h, WindowRange w, Body&& body) {
  const std::int64_t rows = h.end - h.begin, columns = w.end - w.begin;
  const auto taps = [&](auto row_count, auto column_count) {
    for (std::int64_t i = 0; i < row_count; ++i) {
      for (std::int64_t j = 0; j < column_count; ++j) body(i, j);
    }
  };
  if (rows == 3 && columns == 3 && p.kernel[1] == 3)
    return taps(std::integral_constant<int, 3>{}, std::integral_constant<int, 3>{});
  if (rows == 2 && columns == 2 && p.kernel[1] == 2)
    return taps(std::integral_constant<int, 2>{}, std::integral_constant<int, 2>{});
  taps(rows, columns);
}

// Null winners: inference, where nobody asks for them.
template <std::int64_t kLanes>
void max_forward(const Plane& plane, const float* x, float* y, TapIndex* winners) {
  using V = Vector<kLanes>;
  using Index = IntVector<kLanes>;
  const V lowest = splat<kLanes>(-std::numeric_limits<float>::infinity());
  plane.for_each_window(
      [&](std::int64_t row, std::int64_t column, WindowRange h, WindowRange w, std::int64_t first) {
        const float* corner = x + (h.begin * plane.width + w.begin) * kLanes;
        const std::int64_t at = (row * plane.columns + column) * kLanes;
        V best = lowest;
        if (!winners) {
          for_each_tap(plane.p, h, w, [&](std::int64_t i, std::int64_t j) {
            const V value = load<kLanes>(corner + (i * plane.width + j) * kLanes);
            best = value > best ? value : best;
          });
          return store(best, y + at);
        }
        Index winner = Index{} + static_cast<std::int32_t>(first);
        for_each_tap(plane.p, h, w, [&](std::int64_t i, std::int64_t j) {
          const auto tap = static_cast<std::int32_t>(first + i * plane.p.kernel[1] + j);
          const V value = load<kLanes>(corner + (i * plane.width + j) * kLanes);
          const Index greater = value > best;
          winner = greater ? Index{} + tap : winner;
          best = greater ? value : best;
        });
        store(best, y + at);
        store(__builtin_convertvector(winner, TapIndices<kLanes>), winners + at);
      });
}

template <std::int64_t kLanes>
void max_backward(const Plane& plane, const float* dy, const TapIndex* winners, float* dx) {
  using Index = IntVector<kLanes>;
  std::fill_n(dx, plane.height * plane.width * kLanes, 0.0F);
  plane.for_each_window([&](std::int64_t row, std::int64_t column, WindowRange h, WindowRange w,
                            std::int64_t first) {
    const std::int64_t at = (row * plane.columns + column) * kLanes;
    const Vector<kLanes> above = load<kLanes>(dy + at);
    TapIndices<kLanes> stored;
    std::memcpy(&stored, winners + at, sizeof stored);
    const Index winner = __builtin_convertvector(stored, Index);
    float* corner = dx + (h.begin * plane.width + w.begin) * kLanes;
    for_each_tap(plane.p, h, w, [&](std::int64_t i, std::int64_t j) {
      const auto tap = static_cast<std::int32_t>(first + i * plane.p.kernel[1] + j);
      float* gradient = corner + (i * plane.width + j) * kLanes;
      const Index won = winner == Index{} + tap;
      store(Vector<kLanes>(load<kLanes>(gradient) + (won ? above : Vector<kLanes>{})), gradient);
    });
  });
}

template <std::int64_t kLanes>
void average_forward(const Plane& plane, const float* x, float* y) {
  plane.for_each_window(
      [&](std::int64_t row, std::int64_t column, WindowRange h, WindowRange w, std::int64_t) {
        Vector<kLanes> sum{};
        const float* corner = x + (h.begin * plane.width + w.begin) * kLanes;
        for_each_tap(plane.p, h, w, [&](std::int64_t i, std::int64_t j) {
          sum += load<kLanes>(corner + (i * plane.width + j) * kLanes);
        });
        store(Vector<kLanes>(sum / plane.divisor(row, column)),
              y + (row * plane.columns + column) * kLanes);
      });
}

template <std::int64_t kLanes>
void average_backward(const Plane& plane, const float* dy, float* dx) {
  std::fill_n(dx, plane.height * plane.width * kLanes, 0.0F);
  plane.for_each_window(
      [&](std::int64_t row, std::int64_t column, WindowRange h, WindowRange w, std::int64_t) {
        const Vector<kLanes> share =
            load<kLanes>(dy + (row * plane.columns + column) * kLanes) / plane.divisor(row, column);
        float* corner = dx + (h.begin * plane.width + w.begin) * kLanes;
        for_each_tap(plane.p, h, w, [&](std::int64_t i, std::int64_t j) {
          float* gradient = corner + (i * plane.width + j) * kLanes;
          store(Vector<kLanes>(load<kLanes>(gradient) + share), gradient);
        });
      });
}

template <class Body>
void dispatch_lanes(std::int64_t lanes, Body&& body) {
  if (lanes == 16) return body(std::integral_constant<std::int64_t, 16>{});
  if (lanes == 8) return body(std::integral_constant<std::int64_t, 8>{});
  return body(std::integral_constant<std::int64_t, 1>{});
}

class PoolingOp final : public Op {
 public:
  explicit PoolingOp(const OpProblem& problem)
      : params_(resolved(std::get<PoolingParams>(problem.params), problem.bottoms[0])),
        layout_(problem.bottom_layouts[0] == Layout::kChannelsLast ? Layout::kPlain
                                                                   : problem.bottom_layouts[0]),
        training_(problem.training),
        top_count_(static_cast<std::size_t>(storage_count(problem.tops[0], layout_))) {}

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] std::size_t state_bytes() const override {
    return is_max() && training_ ? top_count_ * sizeof(TapIndex) : 0;
  }
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  bool take_value_slice(std::size_t) override { return true; }
  bool take_gradient_slice(std::size_t) override { return true; }

  void forward(std::uint64_t) override {
    for_each_plane(binding_.bottoms[0], binding_.tops[0],
                   [&](auto lanes, const Plane& plane, float* x, float* y, TapIndex* winners) {
                     if (is_max()) {
                       max_forward<lanes()>(plane, x, y, winners);
                     } else {
                       average_forward<lanes()>(plane, x, y);
                     }
                   });
  }

  void backward(std::uint64_t) override {
    if (!binding_.bottom_grads[0].data) return;
    for_each_plane(binding_.bottom_grads[0], binding_.top_grads[0],
                   [&](auto lanes, const Plane& plane, float* dx, float* dy, TapIndex* winners) {
                     if (is_max()) {
                       max_backward<lanes()>(plane, dy, winners, dx);
                     } else {
                       average_backward<lanes()>(plane, dy, dx);
                     }
                   });
  }

 private:
  [[nodiscard]] bool is_max() const { return params_.mode == PoolingMode::kMax; }

  // body(lanes, geometry, plane of x, plane of y, winners of y or null) for every plane.
  template <class Body>
  void for_each_plane(const OpTensor& x, const OpTensor& y, Body&& body) const {
    const Lanes in(x), out(y);
    const Plane plane{params_, x.shape.h(), x.shape.w(), y.shape.h(), y.shape.w()};
    auto* winners = state_bytes() > 0 ? reinterpret_cast<TapIndex*>(binding_.state) : nullptr;
    dispatch_lanes(in.lanes, [&](auto lanes) {
#pragma omp parallel for schedule(static)
      for (std::int64_t i = 0; i < in.images * in.blocks; ++i) {
        const std::int64_t image = i / in.blocks, block = i % in.blocks;
        body(lanes, plane, x.data + in.plane(image, block), y.data + out.plane(image, block),
             winners ? winners + i * out.positions * out.lanes : nullptr);
      }
    });
  }

  PoolingParams params_;
  Layout layout_;
  bool training_;
  std::size_t top_count_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<PoolingParams>(&problem.params);
  if (!params) return "another operation";
  const PoolingParams p = resolved(*params, problem.bottoms[0]);
  if (p.kernel[0] * p.kernel[1] > std::numeric_limits<TapIndex>::max())
    return "a window of more than 65535 taps";
  return "";
}

}  // namespace

const Implementation kCpuPooling{"cpu:pooling", supports,
                                 [](const OpProblem& problem) -> std::unique_ptr<Op> {
                                   return std::make_unique<PoolingOp>(problem);
                                 }};

}  // namespace fovea
