// CPU kernels of the relevance walk, for any layout: what kernels/ops/relevance_kernels.h promises.
#pragma once

#include "kernels/ops/relevance_kernels.h"

namespace fovea::cpu {

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

// Convolution whose bias is spread over the taps; all plain, b may be null. What falls on padding
// is added to `absorbed`.
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

void sum_per_image(const OpTensor& r, std::span<ImageSums> sums);

// to <- channels first, first + 1, ... of `from`; the layouts may differ.
void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to);

// r <- 0 in the channels that `keep` (one entry per channel) does not have.
void keep_channels(std::span<const std::uint8_t> keep, const OpTensor& r);

// All of them behind the interface; `device` is the host.
[[nodiscard]] std::unique_ptr<RelevanceKernels> relevance_kernels(Device& device);

}  // namespace fovea::cpu
