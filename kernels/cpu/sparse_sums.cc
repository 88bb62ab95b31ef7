// Sums of the marked outputs, a dot product each. Those of one channel are taken up to eight at a
// time, so that a weight is loaded once for all of them.
#include <algorithm>
#include <array>
#include <bit>

#include "kernels/cpu/sparse_carried.h"
#include "kernels/cpu/sparse_convolution.h"
#include "kernels/cpu/vector.h"

namespace fovea::cpu {
namespace {

// Floats of the input that stay in a core's second-level cache while all channels read them.
constexpr std::int64_t kBandFloats = 96 * 1024;
constexpr int kSideBySide = 8;

template <Products kProducts, std::int64_t kLanes>
inline Vector<kLanes> part_of(const Vector<kLanes>& v) {
  if constexpr (kProducts == Products::kPositive) return v > 0 ? v : Vector<kLanes>{};
  if constexpr (kProducts == Products::kNegative) return v < 0 ? v : Vector<kLanes>{};
  return v;
}

template <std::int64_t kLanes>
inline float sum_of(const Vector<kLanes>& v) {
  float lanes[kLanes];
  store(v, lanes);
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

// What an output reads: `rows` runs of `run` floats, x_row from one to the next.
struct Window {
  std::int64_t rows, run, x_row;
};

// Of x >= 0 the weights' part is the products'.
template <std::int64_t kLanes, Products kProducts, bool kPixels, int kOutputs>
void dot(const Window& window, const float* w, const float* const* x, float* z) {
  Vector<kLanes> sums[kOutputs] = {};
  const float* at[kOutputs];
  std::copy_n(x, kOutputs, at);
  for (std::int64_t r = 0; r < window.rows; ++r, w += kLanes * window.run) {
    for (std::int64_t i = 0; i < window.run; i += kLanes) {
      Vector<kLanes> weight = load<kLanes>(w + i);
      if constexpr (!kPixels) weight = part_of<kProducts, kLanes>(weight);
#pragma GCC unroll 8
      for (int o = 0; o < kOutputs; ++o) {
        const Vector<kLanes> product = weight * load<kLanes>(at[o] + i);
        sums[o] += kPixels ? part_of<kProducts, kLanes>(product) : product;
      }
    }
    for (const float*& input : at) input += window.x_row;
  }
  for (int o = 0; o < kOutputs; ++o) z[o] = sum_of<kLanes>(sums[o]);
}

// Outputs of one channel, collected until there are kSideBySide.
template <std::int64_t kLanes, Products kProducts, bool kPixels>
class Channel {
 public:
  void begin(const float* weights, float bias) { weights_ = weights, bias_ = bias; }
  void add(const Window& window, const float* x, float* z) {
    x_[count_] = x, z_[count_] = z;
    if (++count_ == kSideBySide) flush(window);
  }
  void flush(const Window& window) {
    std::array<float, kSideBySide> sums{};
    with_constant<kSideBySide>(static_cast<std::int64_t>(count_), [&](auto count) {
      dot<kLanes, kProducts, kPixels, count.value>(window, weights_, x_.data(), sums.data());
    });
    for (std::size_t o = 0; o < count_; ++o) *z_[o] = bias_ + sums[o];
    count_ = 0;
  }

 private:
  const float* weights_ = nullptr;
  float bias_ = 0;
  std::array<const float*, kSideBySide> x_{};
  std::array<float*, kSideBySide> z_{};
  std::size_t count_ = 0;
};

}  // namespace

template <std::int64_t kLanes, Products kProducts, bool kPixels>
void SparseConvolution::sums_of(const float* weights, std::span<const float> bias, float* z) const {
  const Window window{params_.kernel[0], run_, padded_row_};
  const std::int64_t band = std::clamp<std::int64_t>(
      (kBandFloats / window.x_row - params_.kernel[0]) / params_.stride[0] + 1, 1, top_.h());
  const std::int64_t bands = (top_.h() + band - 1) / band;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t task = 0; task < top_.n() * bands * blocks_; ++task) {
    const std::int64_t block = task % blocks_, first = task / blocks_ % bands * band,
                       last = std::min(top_.h(), first + band), image = task / blocks_ / bands;
    const float* x = padded_ + (image * params_.groups + block / group_blocks_) * group_size();
    const std::int64_t plane = (image * blocks_ + block) * positions();
    std::array<Channel<kLanes, kProducts, kPixels>, kLanes> channels;
    for (std::int64_t lane = 0; lane < std::min(kLanes, top_.c() - block * kLanes); ++lane) {
      const std::int64_t k = block * kLanes + lane;
      channels[static_cast<std::size_t>(lane)].begin(
          weights + block * block_weights() + lane * run_,
          bias.empty() ? 0 : bias[static_cast<std::size_t>(k)]);
    }
    for (std::int64_t p = first; p < last; ++p) {
      const float* row_of_x = x + p * params_.stride[0] * window.x_row;
      for (std::int64_t q = 0; q < top_.w(); ++q) {
        const std::int64_t at = plane + p * top_.w() + q;
        for (unsigned mark = marks_[at]; mark != 0; mark &= mark - 1) {
          const int lane = std::countr_zero(mark);
          channels[static_cast<std::size_t>(lane)].add(
              window, row_of_x + q * params_.stride[1] * group_channels_, z + at * kLanes + lane);
        }
      }
    }
    for (auto& channel : channels) channel.flush(window);
  }
}

void SparseConvolution::sums(Products products, const float* weights, std::span<const float> bias,
                             const OpTensor& z) const {
  std::fill_n(z.data, storage_count(z.shape, z.layout), 0.0F);
  const auto run = [&](auto constant) {
    constexpr Products kProducts = constant.value;
    if (lanes_ == 16) {
      pixels_ ? sums_of<16, kProducts, true>(weights, bias, z.data)
              : sums_of<16, kProducts, false>(weights, bias, z.data);
    } else {
      pixels_ ? sums_of<8, kProducts, true>(weights, bias, z.data)
              : sums_of<8, kProducts, false>(weights, bias, z.data);
    }
  };
  switch (products) {
    case Products::kAll:
      return run(std::integral_constant<Products, Products::kAll>{});
    case Products::kPositive:
      return run(std::integral_constant<Products, Products::kPositive>{});
    case Products::kNegative:
      return run(std::integral_constant<Products, Products::kNegative>{});
  }
}

}  // namespace fovea::cpu
