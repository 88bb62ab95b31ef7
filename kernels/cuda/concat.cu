// Concat along images or channels, and split (fan-out), forward and backward.
//
//   concat: channels-last, every bottom is a band of columns of its top: rows N H W (1 along the
//   images), columns C_i; one launch a bottom that is not there already, 4 values a thread (1 where
//   bands are no multiples of 4), 8 bytes a value
//   split: the tops are the bottom's memory; dx = sum of the tops' gradients in their order, up to
//   kMost of them in one launch, 4 (tops + 1) bytes a value
//   Caffe concat_layer.cu, split_layer.cu
#include "kernels/cuda/device/channels.cuh"
#include "kernels/cuda/device_op.cuh"

namespace fovea::FOVEA_TARGET {
namespace {

constexpr int kThreads = 256;

template <int kWidth>
__global__ void copy_columns(int rows, Divisor vectors, int from_pitch, int to_pitch,
                             const float* from, float* to) {
  const int thread = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const Quotient row = vectors.divide(thread);
  if (row.quotient >= rows) return;
  const std::int64_t column = row.remainder * kWidth;
  store_channels<kWidth>(
      to + static_cast<std::int64_t>(row.quotient) * to_pitch + column,
      load_channels<kWidth>(from + static_cast<std::int64_t>(row.quotient) * from_pitch + column));
}

class ConcatOp final : public DeviceOp {
 public:
  explicit ConcatOp(const OpProblem& problem)
      : DeviceOp(problem), axis_(std::get<ConcatParams>(problem.params).axis) {
    (void)index32(problem.tops[0].count());  // what is written into a slice of it relies on this
  }
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] bool joins_slices() const override {
    return axis_ == 1 && top_layout(0) == Layout::kChannelsLast;
  }

  void forward(std::uint64_t) override {
    for_each_band([&](std::size_t i, std::int64_t offset, std::int64_t own, std::int64_t whole) {
      copy(own, own, whole, binding_.bottoms[i].data, binding_.tops[0].data + offset,
           binding_.bottoms[i].shape, offset);
    });
  }
  void backward(std::uint64_t) override {
    for_each_band([&](std::size_t i, std::int64_t offset, std::int64_t own, std::int64_t whole) {
      float* dx = binding_.bottom_grads[i].data;
      if (dx)
        copy(own, whole, own, binding_.top_grads[0].data + offset, dx, binding_.bottoms[i].shape,
             offset);
    });
  }

 private:
  [[nodiscard]] std::int64_t columns_of(const Shape& shape) const {
    return axis_ == 0 ? shape.count() : shape.c();
  }
  template <class Body>
  void for_each_band(Body&& body) const {
    const std::int64_t whole = columns_of(binding_.tops[0].shape);
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < binding_.bottoms.size(); ++i) {
      const std::int64_t own = columns_of(binding_.bottoms[i].shape);
      body(i, offset, own, whole);
      offset += own;
    }
  }
  void copy(std::int64_t columns, std::int64_t from_pitch, std::int64_t to_pitch, const float* from,
            float* to, const Shape& shape, std::int64_t offset) const {
    if (from == to) return;
    const int rows = index32(axis_ == 0 ? 1 : shape.count() / shape.c());
    const bool wide =
        columns % 4 == 0 && from_pitch % 4 == 0 && to_pitch % 4 == 0 && offset % 4 == 0;
    const std::int64_t vectors = wide ? columns / 4 : columns;
    const dim3 grid = blocks_for(rows * vectors, kThreads);
    if (wide) {
      launch<copy_columns<4>>(grid, kThreads, 0, stream_, rows, Divisor(vectors),
                              index32(from_pitch), index32(to_pitch), from, to);
    } else {
      launch<copy_columns<1>>(grid, kThreads, 0, stream_, rows, Divisor(vectors),
                              index32(from_pitch), index32(to_pitch), from, to);
    }
  }

  int axis_;
};

constexpr int kMost = 8;
struct Sources {
  const float* data[kMost];
  int count;
};

__global__ void sum_sources(int count, Sources sources, float* sum) {
  const int at = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (at >= count) return;
  float total = sources.data[0][at];
  for (int i = 1; i < kMost; ++i) {
    if (i < sources.count) total += sources.data[i][at];
  }
  sum[at] = total;
}

class SplitOp final : public DeviceOp {
 public:
  using DeviceOp::DeviceOp;
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] bool in_place() const override { return true; }
  [[nodiscard]] bool is_alias() const override { return true; }
  void forward(std::uint64_t) override {}

  // The first gradient may lie in dx itself.
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    Sources sources{};
    bool partial = false;  // dx holds the sum of earlier ones
    const auto flush = [&] {
      if (sources.count == 0) return;
      const int count = index32(binding_.bottoms[0].shape.count());
      launch<sum_sources>(blocks_for(count, kThreads), kThreads, 0, stream_, count, sources, dx);
      sources = {}, partial = true;
    };
    for (const OpTensor& top : binding_.top_grads) {
      if (!top.data) continue;
      if (sources.count == kMost) flush();
      if (sources.count == 0 && partial) sources.data[sources.count++] = dx;
      sources.data[sources.count++] = top.data;
    }
    flush();
  }
};

std::string supports_concat(const OpProblem& problem) {
  const auto* params = std::get_if<ConcatParams>(&problem.params);
  if (!params) return "another operation";
  return params->axis <= 1 ? "" : "another axis than images or channels";
}

}  // namespace

extern const Implementation kConcat{FOVEA_TARGET_NAME ":concat", supports_concat,
                                    create_op_of<ConcatOp>};
extern const Implementation kSplit{FOVEA_TARGET_NAME ":split", supports_type<SplitParams>,
                                   create_op_of<SplitOp>};

}  // namespace fovea::FOVEA_TARGET
