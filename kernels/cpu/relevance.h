// CPU kernels of the relevance walk, for any layout (kernels/ops/relevance_linear.h,
// relevance_other.h).
#pragma once

#include <span>

#include "kernels/ops/op.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/ops/relevance_other.h"

namespace fovea::cpu {

// Per image: what a group's denominators kept from the relevance that came in, in the units of
// relevance.
struct AbsorbedSums {
  double bias = 0;     // sum_j S_j * bias_j
  double epsilon = 0;  // sum_j (R_j - S_j Z_j)
};

// z <- S = stabilised R / Z. `bias` holds the mapped bias per channel (empty: none). Adds
// coefficient * sums to `absorbed`, one entry per image. z and r have one shape and layout.
void divide_epilogue(const RelevanceRule& rule, float coefficient, const OpTensor& r,
                     const OpTensor& z, std::span<const float> bias,
                     std::span<AbsorbedSums> absorbed);

// y <- map(x); all three have one shape and layout.
void apply_map(InputMap map, const OpTensor& x, const OpTensor& y);

// r (+)= factor * map(x) * c.
void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                        const OpTensor& r, bool overwrite);

// r <- r + factor * s.
void add(float factor, const OpTensor& s, const OpTensor& r);

// z <- z + factor * values[channel].
void add_per_channel(float factor, std::span<const float> values, const OpTensor& z);

// Value-proportional pooling: average pooling, and max pooling by its "average" rule.
void relevance_average_pooling(const PoolingParams& params, const OpTensor& x,
                               const OpTensor& r_top, const OpTensor& r_bottom);

// LRN across channels by the toolbox or the gradient rule.
void relevance_lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
                   const OpTensor& r_bottom);

// r <- r by the rule, in place; x and r have one shape and layout.
void relevance_relu(ReluRule rule, const OpTensor& x, const OpTensor& r);

// Convolution whose bias is spread over the taps; all plain, b may be null. beta < 0: epsilon rule.
struct DistributedRule {
  float epsilon, beta;
};
void relevance_distributed(const ConvolutionParams& params, const DistributedRule& rule,
                           const OpTensor& x, const float* w, const float* b, const OpTensor& r_top,
                           const OpTensor& r_bottom);

// Sum per image, in double, in storage order.
void sum_per_image(const OpTensor& r, std::span<double> sums);

}  // namespace fovea::cpu
