// 5x5 convolution of stride 1 by Winograd's F(2x2, 5x5) in the blocked layouts: 2.8 times fewer
// products than the direct form, which is what the second layers of AdienceNet and CaffeNet and
// GoogLeNet's inception modules spend their time on.
//
// A thread takes a run of tiles at a time: transforms their input (all channels of a group), then,
// for one slab of output channels after another, does the 36 products (tiles x C) (C x K) and
// transforms back, so that everything but the filters stays in its second-level cache.
//
// Inference only: the transforms' rounding is some twenty times the direct form's, which in
// training is more than the reference gradients allow.
#include <omp.h>

#include "engine/core/buffer.h"
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/small_product.h"
#include "kernels/cpu/winograd_tile.h"

namespace fovea {
namespace {

using namespace cpu;
using namespace cpu::winograd;

constexpr std::int64_t kRunTiles = 36;  // tiles at a time
constexpr std::int64_t kSlab = 128;     // output channels at a time
constexpr int kTaps = kFilter * kFilter;

// The channels of one group of a blocked tensor.
struct Planes {
  float* data;
  std::int64_t h, w, pitch, group_channels;

  template <std::int64_t kLanes>
  [[nodiscard]] float* plane(std::int64_t image, std::int64_t group, std::int64_t channel) const {
    return data + image * pitch + (group * group_channels + channel) * h * w;
  }
};

// Where a tile's 2x2 outputs lie among P x Q.
struct Tiling {
  std::int64_t images, p, q;

  [[nodiscard]] std::int64_t columns() const { return (q + 1) / 2; }
  [[nodiscard]] std::int64_t per_image() const { return (p + 1) / 2 * columns(); }
  [[nodiscard]] std::int64_t count() const { return images * per_image(); }
  struct Place {
    std::int64_t image, row, column;
  };
  [[nodiscard]] Place place(std::int64_t tile) const {
    const std::int64_t in_image = tile % per_image();
    return {tile / per_image(), in_image / columns() * 2, in_image % columns() * 2};
  }
};

// Pixel (i, j) of an image plane, zero outside of it.
template <std::int64_t kLanes>
Vector<kLanes> pixel(const float* plane, const Planes& of, std::int64_t i, std::int64_t j) {
  if (i < 0 || j < 0 || i >= of.h || j >= of.w) return Vector<kLanes>{};
  return load<kLanes>(plane + (i * of.w + j) * kLanes);
}

// B^T d B of `count` tiles from `first`: v[point][tile][channel].
template <std::int64_t kLanes>
void transform_input(const Planes& x, const Tiling& tiling, const Extent2& pad, std::int64_t group,
                     std::int64_t first, std::int64_t count, float* v) {
  const std::int64_t c = x.group_channels;
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, row, column] = tiling.place(first + t);
    const std::int64_t top = row - pad[0], left = column - pad[1];
    const bool inside = top >= 0 && left >= 0 && top + kTile <= x.h && left + kTile <= x.w;
    for (std::int64_t b = 0; b < c; b += kLanes) {
      const float* plane = x.plane<kLanes>(image, group, b);
      const float* corner = plane + (top * x.w + left) * kLanes;
      const auto write = [&](int i, int j, const Vector<kLanes>& value) {
        store(value, v + ((i * kTile + j) * count + t) * c + b);
      };
      if (inside) {
        transform<Input, kLanes>(
            [&](int i, int j) { return load<kLanes>(corner + (i * x.w + j) * kLanes); }, write);
      } else {
        transform<Input, kLanes>(
            [&](int i, int j) { return pixel<kLanes>(plane, x, top + i, left + j); }, write);
      }
    }
  }
}

// A^T m A of a run of tiles and a slab of channels, with bias and ReLU, into y.
template <std::int64_t kLanes>
void transform_output(const float* m, std::int64_t count, std::int64_t slab, std::int64_t channel,
                      const float* bias, std::optional<float> relu, const Tiling& tiling,
                      std::int64_t group, std::int64_t first, const Planes& y) {
  for (std::int64_t t = 0; t < count; ++t) {
    const auto at = tiling.place(first + t);
    for (std::int64_t b = 0; b < slab; b += kLanes) {
      float* plane = y.plane<kLanes>(at.image, group, channel + b);
      const Vector<kLanes> offset = bias ? load<kLanes>(bias + b) : Vector<kLanes>{};
      transform<Output, kLanes>(
          [&](int i, int j) { return load<kLanes>(m + ((i * kTile + j) * count + t) * slab + b); },
          [&](int i, int j, Vector<kLanes> value) {
            if (at.row + i >= y.h || at.column + j >= y.w) return;
            value += offset;
            if (relu) value = value > 0 ? value : value * *relu;
            store(value, plane + ((at.row + i) * y.w + at.column + j) * kLanes);
          });
    }
  }
}

// Filters at the 36 points as product() reads them: [group][point], then panels of rows x columns,
// where rows are the channels summed over.
struct Bank {
  std::int64_t groups, rows, columns;
  [[nodiscard]] std::int64_t point() const { return rows * columns; }
  [[nodiscard]] std::int64_t count() const { return groups * kPoints * point(); }
  // Offset of (row, column) within a point.
  template <std::int64_t kLanes>
  [[nodiscard]] std::int64_t at(std::int64_t row, std::int64_t column) const {
    const std::int64_t panel = column / (2 * kLanes) * (2 * kLanes);
    return panel * rows + row * std::min(2 * kLanes, columns - panel) + column - panel;
  }
};

// G g G^T of every filter; tap(group, row, column, r, s) gives kLanes columns' taps.
template <std::int64_t kLanes, class Tap>
void transform_filters(const Bank& bank, float* u, Tap&& tap) {
#pragma omp parallel for schedule(static)
  for (std::int64_t task = 0; task < bank.groups * bank.rows; ++task) {
    const std::int64_t group = task / bank.rows, row = task % bank.rows;
    float* to = u + group * kPoints * bank.point();
    for (std::int64_t column = 0; column < bank.columns; column += kLanes) {
      transform<Filter, kLanes>(
          [&](int i, int j) { return tap(group, row, column, i, j); },
          [&](int i, int j, const Vector<kLanes>& value) {
            store(value, to + (i * kTile + j) * bank.point() + bank.at<kLanes>(row, column));
          });
    }
  }
}

// [begin, end) of part `part` when `total` is cut into `parts`.
struct Share {
  std::int64_t begin, end;
  Share(std::int64_t total, std::int64_t part, std::int64_t parts)
      : begin(total * part / parts), end(total * (part + 1) / parts) {}
};

class WinogradConvolution final : public Op {
 public:
  explicit WinogradConvolution(const OpProblem& problem)
      : p_(std::get<ConvolutionParams>(problem.params)),
        x_(problem.bottoms[0]),
        y_(problem.tops[0]),
        layout_(problem.bottom_layouts[0]),
        relu_slope_(fused_slope(problem)),
        threads_(omp_get_max_threads()),
        filters_{p_.groups, x_.c() / p_.groups, p_.outputs / p_.groups},
        ready_(static_cast<std::size_t>(filters_.count())) {}

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  bool take_value_slice(std::size_t) override { return true; }

  // Weights are kept as [group][c][r][s][k], so that vectors run over k.
  [[nodiscard]] std::int64_t param_storage(std::size_t k) const override {
    return k == 0 ? p_.outputs * filters_.rows * kTaps : p_.outputs;
  }
  void pack_param(std::size_t k, const float* plain, float* packed) const override {
    if (k != 0) return void(std::copy_n(plain, p_.outputs, packed));
    each_weight([&](std::int64_t ours, std::int64_t caffes) { packed[ours] = plain[caffes]; });
  }
  void unpack_param(std::size_t k, const float* packed, float* plain) const override {
    if (k != 0) return void(std::copy_n(packed, p_.outputs, plain));
    each_weight([&](std::int64_t ours, std::int64_t caffes) { plain[caffes] = packed[ours]; });
  }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return sizeof(float) * static_cast<std::size_t>(threads_ * run_work());
  }

  void params_changed() override {
    dispatch([&](auto lanes) { transform_params<lanes()>(); });
  }
  void forward(std::uint64_t) override {
    dispatch([&](auto lanes) { convolve<lanes()>(); });
  }
  void backward(std::uint64_t) override {
    throw Error("cpu:winograd has no backward pass, expected an inference run");
  }

 private:
  template <class Body>
  void dispatch(Body&& body) const {
    if (layout_ == Layout::kBlocked16) return body(std::integral_constant<std::int64_t, 16>{});
    return body(std::integral_constant<std::int64_t, 8>{});
  }
  template <class Body>
  void each_weight(Body&& body) const {
    const std::int64_t c = filters_.rows, k = filters_.columns;
    for (std::int64_t out = 0; out < p_.outputs; ++out) {
      for (std::int64_t in = 0; in < c; ++in) {
        for (std::int64_t tap = 0; tap < kTaps; ++tap) {
          body(((out / k * c + in) * kTaps + tap) * k + out % k, (out * c + in) * kTaps + tap);
        }
      }
    }
  }
  // Offset of tap 0 of filter (group, c, k) in the weights as kept.
  [[nodiscard]] std::int64_t weight_at(std::int64_t group, std::int64_t c, std::int64_t k) const {
    return (group * filters_.rows + c) * kTaps * filters_.columns + k;
  }
  [[nodiscard]] float* scratch() const { return reinterpret_cast<float*>(binding_.scratch); }
  // Floats that a thread works in: transformed input and the products of a slab.
  [[nodiscard]] std::int64_t run_work() const {
    return kPoints * kRunTiles * (filters_.rows + kSlab);
  }

  template <std::int64_t kLanes>
  void transform_params() {
    const float* w = binding_.params[0];
    transform_filters<kLanes>(
        filters_, ready_.data(), [&](auto group, auto c, auto k, int r, int s) {
          return load<kLanes>(w + weight_at(group, c, k) + (r * kFilter + s) * filters_.columns);
        });
  }

  [[nodiscard]] static Planes planes(const OpTensor& t, std::int64_t group_channels) {
    return {t.data, t.shape.h(), t.shape.w(), t.image_pitch(), group_channels};
  }

  template <std::int64_t kLanes>
  void convolve() const {
    const Bank& bank = filters_;
    const Planes x = planes(binding_.bottoms[0], bank.rows),
                 y = planes(binding_.tops[0], bank.columns);
    const float* bias = p_.bias ? binding_.params[1] : nullptr;
    const Tiling tiling{y_.n(), y_.h(), y_.w()};
    // Runs of equal length, so that no thread waits for another's.
    const std::int64_t per_thread = (tiling.count() + threads_ - 1) / threads_;
    const std::int64_t rounds = (per_thread + kRunTiles - 1) / kRunTiles;
    const std::int64_t runs = std::min(rounds * threads_, tiling.count());
    float* work = scratch();
#pragma omp parallel for schedule(static) num_threads(threads_)
    for (std::int64_t task = 0; task < bank.groups * runs; ++task) {
      const std::int64_t group = task % bank.groups;
      const Share run(tiling.count(), task / bank.groups, runs);
      const std::int64_t first = run.begin, count = run.end - run.begin;
      float* v = work + omp_get_thread_num() * run_work();
      float* m = v + kPoints * count * bank.rows;
      transform_input<kLanes>(x, tiling, p_.pad, group, first, count, v);
      for (std::int64_t k = 0; k < bank.columns; k += kSlab) {
        const std::int64_t slab = std::min(kSlab, bank.columns - k);
        for (std::int64_t point = 0; point < kPoints; ++point) {
          const float* filters =
              ready_.data() + (group * kPoints + point) * bank.point() + k * bank.rows;
          product<kLanes>(v + point * count * bank.rows, count, bank.rows, filters, slab,
                          m + point * count * slab, slab);
        }
        const float* offsets = bias ? bias + group * bank.columns + k : nullptr;
        transform_output<kLanes>(m, count, slab, k, offsets, relu_slope_, tiling, group, first, y);
      }
    }
  }

  ConvolutionParams p_;
  Shape x_, y_;
  Layout layout_;
  std::optional<float> relu_slope_;
  std::int64_t threads_;
  Bank filters_;
  Buffer<float> ready_;  // the filters at the points
};

std::string supports(const OpProblem& problem) {
  const auto* p = std::get_if<ConvolutionParams>(&problem.params);
  if (!p) return "another operation";
  if (p->kernel != Extent2{kFilter, kFilter} || p->stride != Extent2{1, 1})
    return "other than 5x5 of stride 1";
  if (p->pad[0] >= kFilter || p->pad[1] >= kFilter) return "padded by a whole window";
  if (problem.training) return "training";
  // Sums whose products are all zero come out as rounding noise.
  if (problem.exact_zeros) return "sums of zeros must be zero";
  const std::int64_t lanes = channel_block(problem.bottom_layouts[0]);
  if (lanes == 1) return "channels are not in blocks";
  const bool whole =
      problem.bottoms[0].c() / p->groups % lanes == 0 && p->outputs / p->groups % lanes == 0;
  return whole ? "" : "a group's channels are not whole blocks";
}

}  // namespace

const Implementation kCpuWinogradConvolution{
    "cpu:winograd", supports, [](const OpProblem& problem) -> std::unique_ptr<Op> {
      return std::make_unique<WinogradConvolution>(problem);
    }};

}  // namespace fovea
