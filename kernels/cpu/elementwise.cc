// ReLU, dropout, concat and split: operations that move or mask values and compute next to nothing.
#include <algorithm>
#include <cstring>

#include "engine/core/random.h"
#include "kernels/cpu/implementations.h"
#include "kernels/cpu/lanes.h"
#include "kernels/ops/batch_share.h"

namespace fovea {
namespace {

std::int64_t floats(const OpTensor& t) { return storage_count(t.shape, t.layout); }

// Bottom 0's layout, whatever it is, in and out.
class SameLayoutOp : public Op {
 public:
  explicit SameLayoutOp(const OpProblem& problem) : layout_(problem.bottom_layouts[0]) {}
  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }
  [[nodiscard]] bool in_place() const override { return true; }

 private:
  Layout layout_;
};

class ReluOp final : public SameLayoutOp {
 public:
  explicit ReluOp(const OpProblem& problem)
      : SameLayoutOp(problem), slope_(std::get<ReluParams>(problem.params).slope) {}
  [[nodiscard]] bool backward_reads_tops() const override {
    return true;
  }  // y > 0 exactly where x > 0, slope >= 0

  void forward(std::uint64_t) override {
    const float* x = binding_.bottoms[0].data;
    float* y = binding_.tops[0].data;
    const std::int64_t count = floats(binding_.tops[0]);
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < count; ++i)
      y[i] = std::max(x[i], 0.0F) + slope_ * std::min(x[i], 0.0F);
  }
  void backward(std::uint64_t) override {
    const float *y = binding_.tops[0].data, *dy = binding_.top_grads[0].data;
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    const std::int64_t count = floats(binding_.tops[0]);
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < count; ++i) dx[i] = dy[i] * (y[i] > 0 ? 1.0F : slope_);
  }

 private:
  float slope_;
};

// At test time an alias. In training the factors (0 or 1 / (1 - ratio)) are kept from forward to
// backward.
class DropoutOp final : public SameLayoutOp, public SharesBatch {
 public:
  explicit DropoutOp(const OpProblem& problem)
      : SameLayoutOp(problem),
        ratio_(std::get<DropoutParams>(problem.params).ratio),
        training_(problem.training),
        seed_(problem.seed),
        layer_(problem.layer),
        count_(static_cast<std::size_t>(
            storage_count(problem.bottoms[0], problem.bottom_layouts[0]))) {}
  [[nodiscard]] std::size_t state_bytes() const override {
    return training_ ? count_ * sizeof(float) : 0;
  }
  [[nodiscard]] bool is_alias() const override { return !training_; }

  void forward(std::uint64_t iteration) override {
    if (!training_) return;
    const RandomKey key{
        .seed = seed_, .purpose = RandomPurpose::kDropout, .iteration = iteration * 4096 + layer_};
    const Lanes dims(binding_.bottoms[0]);
    const float keep = 1.0F / (1.0F - ratio_);
    const std::int64_t padded = dims.blocks * dims.lanes;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < dims.images * padded; ++i) {
      const std::int64_t image = i / padded, channel = i % padded;
      const std::int64_t first = ((share_.first_image + image) * dims.channels + channel) *
                                 dims.positions;  // logical index
      for (std::int64_t position = 0; position < dims.positions; ++position) {
        const bool kept =
            channel < dims.channels &&
            random_uniform(key, static_cast<std::uint64_t>(first + position)) >= ratio_;
        factors()[dims.element(image, channel, position)] = kept ? keep : 0.0F;
      }
    }
    multiply(binding_.bottoms[0].data, binding_.tops[0].data);
  }
  void backward(std::uint64_t) override {
    if (binding_.bottom_grads[0].data)
      multiply(binding_.top_grads[0].data, binding_.bottom_grads[0].data);
  }

 private:
  [[nodiscard]] float* factors() const { return reinterpret_cast<float*>(binding_.state); }
  void multiply(const float* from, float* to) const {
    const float* factor = factors();
#pragma omp parallel for simd schedule(static)
    for (std::size_t i = 0; i < count_; ++i) to[i] = from[i] * factor[i];
  }

  float ratio_;
  bool training_;
  std::uint64_t seed_, layer_;
  std::size_t count_;
};

// Side by side along the channels: per image every bottom is one contiguous piece, in plain layout
// always and in a blocked one where all channel counts are whole blocks.
class ConcatOp final : public Op {
 public:
  explicit ConcatOp(const OpProblem& problem) : layout_(problem.bottom_layouts[0]) {
    for (std::size_t i = 0; i < problem.bottoms.size(); ++i) {
      const bool whole = problem.bottoms[i].c() % channel_block(layout_) == 0;
      if (problem.bottom_layouts[i] != layout_ || !whole || layout_ == Layout::kChannelsLast)
        layout_ = Layout::kPlain;
    }
  }
  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }

  [[nodiscard]] bool joins_slices() const override { return is_blocked(layout_); }

  void forward(std::uint64_t) override {
    for_each_piece(
        binding_.bottoms, binding_.tops[0],
        [](float* bottom, float* top, std::size_t bytes) { std::memcpy(top, bottom, bytes); });
  }
  void backward(std::uint64_t) override {
    for_each_piece(
        binding_.bottom_grads, binding_.top_grads[0],
        [](float* bottom, float* top, std::size_t bytes) { std::memcpy(bottom, top, bytes); });
  }

 private:
  // body(an image of a bottom, its place in top, bytes), unless the one is the other.
  template <class Body>
  static void for_each_piece(const std::vector<OpTensor>& bottoms, const OpTensor& top,
                             Body&& body) {
    float* first = top.data;
    for (const OpTensor& bottom : bottoms) {
      const std::int64_t piece = bottom.image_size();
      if (bottom.data && bottom.data != first) {
#pragma omp parallel for schedule(static)
        for (std::int64_t n = 0; n < top.shape.n(); ++n)
          body(bottom.data + n * bottom.image_pitch(), first + n * top.image_pitch(),
               static_cast<std::size_t>(piece) * sizeof(float));
      }
      first += piece;
    }
  }

  Layout layout_;
};

class SplitOp final : public SameLayoutOp {
 public:
  using SameLayoutOp::SameLayoutOp;
  [[nodiscard]] bool is_alias() const override { return true; }
  void forward(std::uint64_t) override {}

  // dx = sum of the tops' gradients in their order; the first may lie in dx itself.
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    const std::int64_t count = floats(binding_.bottoms[0]);
    bool first = true;
    for (const OpTensor& top : binding_.top_grads) {
      if (!top.data) continue;
      if (first && top.data != dx)
        std::memcpy(dx, top.data, static_cast<std::size_t>(count) * sizeof(float));
      if (!first) add(top.data, dx, count);
      first = false;
    }
  }

 private:
  static void add(const float* from, float* to, std::int64_t count) {
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
  }
};

template <class Params>
std::string supports_type(const OpProblem& problem) {
  return std::holds_alternative<Params>(problem.params) ? "" : "another operation";
}
std::string supports_relu(const OpProblem& problem) {
  const auto* params = std::get_if<ReluParams>(&problem.params);
  if (!params) return "another operation";
  return params->slope >= 0 ? "" : "a negative slope";
}
std::string supports_concat(const OpProblem& problem) {
  const auto* params = std::get_if<ConcatParams>(&problem.params);
  if (!params) return "another operation";
  return params->axis == 1 ? "" : "another axis than the channels";
}

template <class T>
std::unique_ptr<Op> create(const OpProblem& problem) {
  return std::make_unique<T>(problem);
}

}  // namespace

const Implementation kCpuRelu{"cpu:relu", supports_relu, create<ReluOp>};
const Implementation kCpuDropout{"cpu:dropout", supports_type<DropoutParams>, create<DropoutOp>};
const Implementation kCpuConcat{"cpu:concat", supports_concat, create<ConcatOp>};
const Implementation kCpuSplit{"cpu:split", supports_type<SplitParams>, create<SplitOp>};

}  // namespace fovea
