// Convolutions of which few outputs matter (sparse_linear.h).
//
// x comes in channel blocks that the channels of a convolution's group fill, x >= 0; or plain, with
// at most kFewChannels channels and any sign (pixels). Outputs lie in blocks; R lies as x does.
//
// Cost: a multiplication and an addition per tap of a marked output; but a weight is loaded for
// each, which a dense operation is spared. Times of oneDNN's dense operations (zen 4, fp32, one
// thread, layers of the four nets) that it takes with a fifth and with half of the outputs marked:
// sums 0.45 to 0.65 and 0.95 to 1.25 (1x1: 1.2 to 2); shares of one sign 0.5 to 0.7 and 0.85 to
// 0.95 (1x1: 1.05 to 1.35); of both, which are two dense operations, 0.35 to 0.5 and 0.6 to 0.9.
#pragma once

#include "kernels/cpu/sparse_linear.h"

namespace fovea::cpu {

class SparseConvolution final : public SparseLinear {
 public:
  static constexpr std::int64_t kFewChannels = 4;
  [[nodiscard]] static bool takes(const ConvolutionParams& params, const OpTensor& x,
                                  const OpTensor& top);
  SparseConvolution(const ConvolutionParams& params, const OpTensor& x, const OpTensor& top);

  [[nodiscard]] std::int64_t weight_count() const override { return blocks_ * block_weights(); }
  void pack(std::span<const float> plain, float* packed) const override;
  // Padded copies of an image, and a bit per output.
  [[nodiscard]] std::size_t scratch_bytes() const override;
  void bind(std::byte* scratch) override;
  void mark(const OpTensor& r) override;
  void take_input(const OpTensor& x) override;
  void sums(Products products, const float* weights, std::span<const float> bias,
            const OpTensor& z) const override;
  void shares(const float* weights, const OpTensor& s_positive, const OpTensor& s_negative,
              const OpTensor& x, const OpTensor& r) const override;

 private:
  // Weights lie as (block of K,R,lane,S C/G), each run of S C/G filled up to whole vectors: what
  // one row of taps takes to a block of outputs is together, and fits the first-level cache.
  [[nodiscard]] std::int64_t block_weights() const { return params_.kernel[0] * lanes_ * run_; }
  [[nodiscard]] std::int64_t positions() const { return top_.h() * top_.w(); }
  // Of a padded image's group; behind it what its last run reaches over.
  [[nodiscard]] std::int64_t group_size() const;
  // Of all padded images, whole cache lines.
  [[nodiscard]] std::int64_t padded_size() const;
  [[nodiscard]] std::size_t mark_bytes() const;
  template <std::int64_t kLanes, Products kProducts, bool kPixels>
  void sums_of(const float* weights, std::span<const float> bias, float* z) const;
  template <std::int64_t kLanes, bool kApart>
  void gather_shares(const float* weights, const float* s0, const float* s1, const float* x,
                     float* r) const;
  template <std::int64_t kLanes>
  void scatter_shares(const float* weights, const float* s0, const float* s1, const float* x,
                      float* r) const;

  ConvolutionParams params_;
  std::int64_t lanes_;
  Shape x_, top_;
  bool pixels_;
  // Channels of x that an output reads; blocks of outputs, in all and in a group of the
  // convolution.
  std::int64_t group_channels_, blocks_, group_blocks_;
  std::int64_t run_, padded_h_, padded_row_;
  float* padded_ = nullptr;         // (N,G,H + 2 pad,W + 2 pad,C/G)
  float* arrived_ = nullptr;        // two of these: what reaches positive and negative pixels
  std::uint16_t* marks_ = nullptr;  // (N,block,P,Q), a bit per lane
};

}  // namespace fovea::cpu
