// A convolution of which few outputs matter, and its way back: that of relevance behind a ReLU or a
// max pooling, where half to nine tenths of the outputs have none. A product t = w x of a weight
// and an input counts by its sign.
//
//   sums:   z[k,p,q] = b[k] + sum over its taps of t, max(t, 0) or min(t, 0), where output (k,p,q)
//           is marked; 0 elsewhere
//   shares: R[i] = sum over the marked outputs that read input i of t S+ for t > 0, t S- for t < 0
//
// x comes in channel blocks that the channels of a convolution's group fill, x >= 0; or plain, with
// at most kFewChannels channels and any sign (pixels). Outputs lie in blocks; R lies as x does.
// Weights are kept once, whatever counts. Every number is added up in one order, whatever the
// number of threads and images.
//
// Cost: a multiplication and an addition per tap of a marked output; but a weight is loaded for
// each, which a dense operation is spared. Times of oneDNN's dense operations (zen 4, fp32, one
// thread, layers of the four nets) that it takes with a fifth and with half of the outputs marked:
// sums 0.45 to 0.65 and 0.95 to 1.25 (1x1: 1.2 to 2); shares of one sign 0.5 to 0.7 and 0.85 to
// 0.95 (1x1: 1.05 to 1.35); of both, which are two dense operations, 0.35 to 0.5 and 0.6 to 0.9.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/ops/relevance_kernels.h"

namespace fovea::cpu {

enum class Products : std::uint8_t { kAll, kPositive, kNegative };

class SparseConvolution {
 public:
  static constexpr std::int64_t kFewChannels = 4;
  // "" = yes, else why not.
  [[nodiscard]] static std::string supports(const ConvolutionParams& params, const OpTensor& x,
                                            const OpTensor& top);
  SparseConvolution(const ConvolutionParams& params, const OpTensor& x, const OpTensor& top);

  [[nodiscard]] std::int64_t weight_count() const { return blocks_ * block_weights(); }
  // From Caffe's order (K,C/G,R,S).
  void pack(std::span<const float> plain, float* packed) const;

  // Padded copies of an image, and a bit per output.
  [[nodiscard]] std::size_t scratch_bytes() const;
  void bind(std::byte* scratch);

  // The outputs that matter from now on: those where r is not zero.
  void mark(const OpTensor& r);
  // The input of sums() from now on.
  void take_input(const OpTensor& x);
  // bias: one per output, or none.
  void sums(Products products, const float* weights, std::span<const float> bias,
            const OpTensor& z) const;
  // S+ and S- lie as the outputs do, and may be one; S- without data (of pixels): 0.
  void shares(const float* weights, const OpTensor& s_positive, const OpTensor& s_negative,
              const OpTensor& x, const OpTensor& r) const;

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
