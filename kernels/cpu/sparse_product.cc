// Inner products of which few outputs matter (sparse_linear.h), for batches of an image or two:
// what takes time there is reading the weights, and those of an output that does not matter for any
// image are not read. Weights are rows of one output each, their columns in the order of x in
// memory.
#include <omp.h>

#include <algorithm>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/sparse_linear.h"

namespace fovea::cpu {
namespace {

class SparseProduct final : public SparseLinear {
 public:
  SparseProduct(const OpTensor& x, const OpTensor& top)
      : x_(x), images_(x.shape.n()), inputs_(x.image_size()), outputs_(top.shape.c()) {}

  [[nodiscard]] std::int64_t weight_count() const override { return outputs_ * inputs_; }
  void pack(std::span<const float> plain, float* packed) const override {
    const Lanes dims(x_);
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < outputs_; ++k) {
      const float* from = plain.data() + k * inputs_;
      for (std::int64_t c = 0; c < dims.channels; ++c) {
        for (std::int64_t at = 0; at < dims.positions; ++at)
          packed[k * inputs_ + dims.element(0, c, at)] = *from++;
      }
    }
  }
  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }
  void bind(std::byte* /*scratch*/) override {}
  void mark(const OpTensor& r) override { marks_ = r.data; }
  void take_input(const OpTensor& x) override { input_ = x.data; }

  void sums(Products products, const float* weights, std::span<const float> bias,
            const OpTensor& z) const override {
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < outputs_; ++k) {
      for (std::int64_t n = 0; n < images_; ++n) {
        float& sum = z.data[n * outputs_ + k];
        sum = 0;
        if (marks_[n * outputs_ + k] == 0) continue;
        sum = dot(products, weights + k * inputs_, input_ + n * inputs_) +
              (bias.empty() ? 0 : bias[static_cast<std::size_t>(k)]);
      }
    }
  }

  // Threads take columns, so that each adds up its own; the columns of a thread stay in its cache.
  void shares(const float* weights, const OpTensor& s_positive, const OpTensor& s_negative,
              const OpTensor& x, const OpTensor& r) const override {
    const std::int64_t tile =
        std::min<std::int64_t>(4096, inputs_ / (2 * omp_get_max_threads()) + 1);
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t first = 0; first < inputs_; first += tile) {
      const std::int64_t count = std::min(tile, inputs_ - first);
      for (std::int64_t n = 0; n < images_; ++n)
        std::fill_n(r.data + n * inputs_ + first, count, 0.0F);
      for (std::int64_t k = 0; k < outputs_; ++k) {
        for (std::int64_t n = 0; n < images_; ++n) {
          const std::int64_t at = n * outputs_ + k;
          const float positive = s_positive.data[at],
                      negative = s_negative.data ? s_negative.data[at] : 0;
          if (positive != 0 || negative != 0)
            add_row(weights + k * inputs_ + first, positive, negative, count,
                    r.data + n * inputs_ + first);
        }
      }
      for (std::int64_t n = 0; n < images_; ++n) {
        for (std::int64_t i = n * inputs_ + first; i < n * inputs_ + first + count; ++i)
          r.data[i] *= x.data[i];
      }
    }
  }

 private:
  // Of x >= 0: the sign of a product is its weight's.
  [[nodiscard]] float dot(Products products, const float* w, const float* x) const {
    float sum = 0;
    switch (products) {
      case Products::kAll:
#pragma omp simd reduction(+ : sum)
        for (std::int64_t i = 0; i < inputs_; ++i) sum += w[i] * x[i];
        break;
      case Products::kPositive:
#pragma omp simd reduction(+ : sum)
        for (std::int64_t i = 0; i < inputs_; ++i) sum += (w[i] > 0 ? w[i] : 0) * x[i];
        break;
      case Products::kNegative:
#pragma omp simd reduction(+ : sum)
        for (std::int64_t i = 0; i < inputs_; ++i) sum += (w[i] < 0 ? w[i] : 0) * x[i];
        break;
    }
    return sum;
  }
  static void add_row(const float* w, float positive, float negative, std::int64_t count,
                      float* to) {
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) to[i] += w[i] * (w[i] > 0 ? positive : negative);
  }

  OpTensor x_;  // as it lies
  std::int64_t images_, inputs_, outputs_;
  const float *marks_ = nullptr, *input_ = nullptr;
};

}  // namespace

std::unique_ptr<SparseLinear> make_sparse_product(const OpTensor& x, const OpTensor& top) {
  constexpr std::int64_t kMostImages = 2;  // beyond, hardly an output matters for none
  const bool filled = x.shape.rank() == 2 || x.shape.c() % channel_block(x.layout) == 0;
  if (x.shape.n() > kMostImages || top.shape.rank() != 2 || !filled) return nullptr;
  return std::make_unique<SparseProduct>(x, top);
}

}  // namespace fovea::cpu
