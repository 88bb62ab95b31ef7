// CPU kernels of the relevance walk, for any layout (kernels/ops/relevance_linear.h,
// relevance_other.h).
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "kernels/ops/op.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/ops/relevance_other.h"

namespace fovea::cpu {

// Per image: where the relevance went that came in and did not reach the bottom, in the units of
// relevance, and how near the denominators came to zero.
struct AbsorbedSums {
  double bias = 0;     // sum_j S_j * bias_j
  double epsilon = 0;  // sum_j (R_j - S_j Z_j)
  double padding = 0;  // sum_j S_j * (what of Z_j stands on padding)
  // Of sums of both signs: the smallest |Z + epsilon| of a unit with relevance, and the largest.
  float weakest = std::numeric_limits<float>::infinity(), strongest = 0;

  AbsorbedSums& operator+=(const AbsorbedSums& other);
};

// Where the planes of one group lie: channel block b of the layer at block
// (b / run) * stride + b % run, so that the groups of a table may be the outputs of one operation.
struct QuotientGroup {
  float* data = nullptr;        // Z before, S behind
  std::int64_t image_size = 0;  // floats from one image to the next
  std::int64_t run = 1, stride = 1;
  float coefficient = 1;
  std::span<const float> bias;  // mapped, per channel; empty: none
  std::span<const float> taps;  // sum over every tap of the mapped weights; empty: not asked for
};

// S = coefficient * gate * R / stab(Z) for all groups, in place. Where a group has `taps`, its
// absorbed padding is sum S * taps: the caller takes off what arrived. r has the blocks, positions
// and lanes of one group. Adds to `absorbed`, one entry per image.
void divide(const RelevanceRule& rule, std::span<const QuotientGroup> groups, const OpTensor& r,
            std::span<AbsorbedSums> absorbed);

// Z_0 = y - negative, Z_1 = negative, for y and negative in the layout of one group: the sum of
// positive contributions from the layer's output, where y is positive without cancellation.
void complete_sums(const OpTensor& y, const OpTensor& negative,
                   std::span<const QuotientGroup> groups);

// Index of the unit of image n, in plain order (channel, then position), with the smallest |Z|
// among those with relevance, from R and the S that divide() left in `group`.
[[nodiscard]] std::int64_t weakest_unit(const QuotientGroup& group, const OpTensor& r,
                                        std::int64_t n);

// y <- map(x); all three have one shape and layout.
void apply_map(InputMap map, const OpTensor& x, const OpTensor& y);

// r (+)= factor * map(x) * c.
void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                        const OpTensor& r, bool overwrite);

// r <- r + factor * s.
void add(float factor, const OpTensor& s, const OpTensor& r);

// z <- z + values, the same for every image; values holds one image in the layout of z.
void add_to_images(const float* values, const OpTensor& z);

// Value-proportional pooling: average pooling, and max pooling by its "average" rule.
void relevance_average_pooling(const PoolingParams& params, AveragePoolingRule rule,
                               const OpTensor& x, const OpTensor& r_top, const OpTensor& r_bottom);

// LRN across channels by the Taylor or the toolbox rule.
void relevance_lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
                   const OpTensor& r_bottom);

// r <- r by the rule, in place; x and r have one shape and layout.
void relevance_relu(ReluRule rule, const OpTensor& x, const OpTensor& r);

// Convolution whose bias is spread over the taps; all plain, b may be null. beta < 0: epsilon rule.
// What falls on padding is added to `absorbed`.
struct DistributedRule {
  float epsilon, beta;
};
void relevance_distributed(const ConvolutionParams& params, const DistributedRule& rule,
                           const OpTensor& x, const float* w, const float* b, const OpTensor& r_top,
                           const OpTensor& r_bottom, std::span<AbsorbedSums> absorbed);

// share <- weights^T S of a convolution without groups over few channels. S in any layout; share
// plain. weights: a row of pixel_row() floats per output, taps in Caffe's order (C, R, S), zeros
// behind them.
[[nodiscard]] std::int64_t pixel_row(const ConvolutionParams& params, std::int64_t channels);
void pixel_shares(const ConvolutionParams& params, const OpTensor& s, const float* weights,
                  const OpTensor& share);

// Whether y = max(z, 0) can stand for z in a quotient: R is zero wherever y is not positive.
[[nodiscard]] bool output_serves(const OpTensor& y, const OpTensor& r);

// Per image: sum of r and of |r|, in double.
struct ImageSums {
  double sum = 0, magnitude = 0;
};
void sum_per_image(const OpTensor& r, std::span<ImageSums> sums);

// to <- channels first, first + 1, ... of `from`; the layouts may differ.
void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to);

// r <- 0 in the channels that `keep` (one entry per channel) does not have.
void keep_channels(const std::vector<bool>& keep, const OpTensor& r);

}  // namespace fovea::cpu
