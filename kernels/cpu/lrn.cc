// LRN across channels. For every position the channels are gathered into one contiguous row (whole
// blocks at a time in blocked layouts), padded by zeros on both sides, so that window sums are
// plain shifted vector adds.
//
// Forward stores the scale S (4 bytes an element), which backward needs for every channel of the
// window: recomputing it would read x of the window and cost a second square root chain, storing it
// costs one write and one read.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/implementations.h"
#include "kernels/cpu/lanes.h"

namespace fovea {
namespace {

// s^-beta; every net of the study has beta = 0.75, which is three square roots instead of a pow.
void negative_power(const float* s, float beta, std::int64_t count, float* result) {
  if (beta == 0.75F) {
    for (std::int64_t c = 0; c < count; ++c) {
      const float root = std::sqrt(s[c]);
      result[c] = 1.0F / (root * std::sqrt(root));
    }
  } else {
    for (std::int64_t c = 0; c < count; ++c) result[c] = std::pow(s[c], -beta);
  }
}

class LrnOp final : public Op {
 public:
  explicit LrnOp(const OpProblem& problem)
      : p_(std::get<LrnParams>(problem.params)),
        half_((p_.size - 1) / 2),
        layout_(problem.bottom_layouts[0]),
        training_(problem.training),
        count_(static_cast<std::size_t>(storage_count(problem.bottoms[0], layout_))) {}

  [[nodiscard]] Layout bottom_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] Layout top_layout(std::size_t) const override { return layout_; }
  [[nodiscard]] std::size_t state_bytes() const override {
    return training_ ? count_ * sizeof(float) : 0;
  }
  [[nodiscard]] bool backward_reads_tops() const override { return false; }

  void bind(const OpBinding& binding) override {
    Op::bind(binding);
    const Lanes dims(binding.bottoms[0]);
    row_ = (dims.blocks * dims.lanes + 2 * half_ + 15) / 16 * 16;
    rows_.resize(static_cast<std::size_t>(kRows * row_ * omp_get_max_threads()));
  }

  void forward(std::uint64_t) override {
    for_each_position([&](const Lanes& dims, std::int64_t base, float* rows) {
      float *x = rows + half_, *square = rows + row_ + half_, *scale = rows + 2 * row_,
            *factor = rows + 3 * row_;
      gather(dims, binding_.bottoms[0].data + base, x);
      for (std::int64_t c = 0; c < dims.channels; ++c) square[c] = x[c] * x[c];
      window_sums(square, dims.channels, scale);
      const float share = p_.alpha / static_cast<float>(p_.size);
      for (std::int64_t c = 0; c < dims.channels; ++c) scale[c] = p_.k + share * scale[c];
      negative_power(scale, p_.beta, dims.channels, factor);
      for (std::int64_t c = 0; c < dims.channels; ++c) factor[c] *= x[c];
      scatter(dims, factor, binding_.tops[0].data + base);
      if (training_) scatter(dims, scale, scales() + base);
    });
  }

  void backward(std::uint64_t) override {
    if (!binding_.bottom_grads[0].data) return;
    for_each_position([&](const Lanes& dims, std::int64_t base, float* rows) {
      float *x = rows + half_, *ratio = rows + row_ + half_, *scale = rows + 2 * row_,
            *factor = rows + 3 * row_, *dy = rows + 4 * row_, *sum = rows + 5 * row_;
      gather(dims, binding_.bottoms[0].data + base, x);
      gather(dims, binding_.top_grads[0].data + base, dy);
      gather(dims, scales() + base, scale);
      negative_power(scale, p_.beta, dims.channels, factor);
      for (std::int64_t c = 0; c < dims.channels; ++c)
        ratio[c] = dy[c] * x[c] * factor[c] / scale[c];
      window_sums(ratio, dims.channels, sum);
      const float share = 2 * p_.alpha * p_.beta / static_cast<float>(p_.size);
      for (std::int64_t c = 0; c < dims.channels; ++c)
        sum[c] = factor[c] * dy[c] - share * x[c] * sum[c];
      scatter(dims, sum, binding_.bottom_grads[0].data + base);
    });
  }

 private:
  static constexpr std::int64_t kRows = 6;

  [[nodiscard]] float* scales() const { return reinterpret_cast<float*>(binding_.state); }

  // Copies the channels of one position; `data` points at (image, block 0, position, lane 0).
  static void gather(const Lanes& dims, const float* data, float* row) {
    const std::int64_t stride = dims.positions * dims.lanes;
    for (std::int64_t b = 0; b < dims.blocks; ++b)
      std::copy_n(data + b * stride, dims.lanes, row + b * dims.lanes);
  }
  // The reverse, with zeros in the channel padding.
  static void scatter(const Lanes& dims, float* row, float* data) {
    const std::int64_t stride = dims.positions * dims.lanes;
    std::fill(row + dims.channels, row + dims.blocks * dims.lanes, 0.0F);
    for (std::int64_t b = 0; b < dims.blocks; ++b)
      std::copy_n(row + b * dims.lanes, dims.lanes, data + b * stride);
  }

  // sum[c] = values[c - half .. c + half]; `values` has zeros on both sides.
  void window_sums(float* values, std::int64_t channels, float* sum) const {
    std::fill_n(values - half_, half_, 0.0F);
    std::fill_n(values + channels, half_, 0.0F);
    std::copy_n(values - half_, channels, sum);
    for (std::int64_t d = 1; d < p_.size; ++d) {
      const float* shifted = values - half_ + d;
      for (std::int64_t c = 0; c < channels; ++c) sum[c] += shifted[c];
    }
  }

  template <class Body>
  void for_each_position(Body&& body) {
    const Lanes dims(binding_.bottoms[0]);
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < dims.images * dims.positions; ++i) {
      const std::int64_t base = i / dims.positions * dims.pitch + i % dims.positions * dims.lanes;
      body(dims, base, rows_.data() + kRows * row_ * omp_get_thread_num());
    }
  }

  LrnParams p_;
  std::int64_t half_, row_ = 0;
  Layout layout_;
  bool training_;
  std::size_t count_;
  std::vector<float> rows_;  // kRows rows of row_ floats for every thread
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<LrnParams>(&problem.params);
  if (!params) return "another operation";
  return params->region == LrnRegion::kAcrossChannels ? "" : "normalises within a channel";
}

}  // namespace

const Implementation kCpuLrn{"cpu:lrn", supports,
                             [](const OpProblem& problem) -> std::unique_ptr<Op> {
                               return std::make_unique<LrnOp>(problem);
                             }};

}  // namespace fovea
