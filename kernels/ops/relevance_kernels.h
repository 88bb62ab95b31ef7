// What a relevance walk asks of a device besides the operations of the layers: the elementwise
// maps, quotients and sums of kernels/ops/relevance_linear.h, and the rules of relevance_other.h.
//
// Every tensor lies in the memory of device(), and so do sums and flags: a walk is queued as a
// whole, may be recorded (Device::record), and is read once, behind its end. Only weakest_unit()
// and output_serves() wait and answer the host. Tensors of one call have one shape and layout where
// nothing else is said.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "kernels/ops/op.h"
#include "kernels/ops/relevance_linear.h"
#include "kernels/ops/relevance_other.h"

namespace fovea {

// Per image, in the device's memory: where the relevance went that came in and did not reach the
// bottom, in the units of relevance, and how near the denominators came to zero.
struct AbsorbedSums {
  double bias = 0;     // sum_j S_j * bias_j
  double epsilon = 0;  // sum_j (R_j - S_j Z_j); 0 where nothing is divided
  double padding = 0;  // sum_j S_j * (what of Z_j stands on padding)
  // Of sums of both signs: the smallest |Z + epsilon| of a unit with relevance, and the largest.
  float weakest = std::numeric_limits<float>::infinity(), strongest = 0;

  AbsorbedSums& operator+=(const AbsorbedSums& other) {
    bias += other.bias;
    epsilon += other.epsilon;
    padding += other.padding;
    weakest = std::min(weakest, other.weakest);
    strongest = std::max(strongest, other.strongest);
    return *this;
  }
};

// Where the planes of one group lie: channel block b of the layer at block
// (b / run) * stride + b % run, so that the groups of a table may be the outputs of one operation.
// A block is what the layout calls one; in channels-last tensors it is one channel, and the blocks
// of a position lie side by side.
struct QuotientGroup {
  float* data = nullptr;        // Z before, S behind
  std::int64_t image_size = 0;  // floats from one image to the next
  std::int64_t run = 1, stride = 1;
  float coefficient = 1;
  // In the device's memory.
  std::span<const float> bias;  // mapped, per channel; empty: none
  std::span<const float> taps;  // sum over every tap of the mapped weights; empty: not asked for
};

// Per image, in the device's memory: sum of r and of |r|, in double.
struct ImageSums {
  double sum = 0, magnitude = 0;
};

// A bias spread over the taps. beta < 0: epsilon rule.
struct DistributedRule {
  float epsilon, beta;
};

class RelevanceKernels {
 public:
  virtual ~RelevanceKernels() = default;
  [[nodiscard]] virtual Device& device() const = 0;

  // S = coefficient * gate * R / stab(Z) for all groups, in place. Where a group has `taps`, its
  // absorbed padding is sum S * taps: the caller takes off what arrived. r has the shape and layout
  // of one group. Adds to `absorbed`, one entry per image.
  virtual void divide(const RelevanceRule& rule, std::span<const QuotientGroup> groups,
                      const OpTensor& r, std::span<AbsorbedSums> absorbed) = 0;
  // Z_0 = y - negative, Z_1 = negative, for y and negative in the layout of one group: the sum of
  // positive contributions from the layer's output, where y is positive without cancellation.
  virtual void complete_sums(const OpTensor& y, const OpTensor& negative,
                             std::span<const QuotientGroup> groups) = 0;
  // Index of the unit of image n, in plain order (channel, then position), with the smallest |Z|
  // among those with relevance, from R and the S that divide() left in `group`.
  [[nodiscard]] virtual std::int64_t weakest_unit(const QuotientGroup& group, const OpTensor& r,
                                                  std::int64_t n) = 0;

  virtual void apply_map(InputMap map, const OpTensor& x, const OpTensor& y) = 0;  // y <- map(x)
  // r (+)= factor * map(x) * c.
  virtual void accumulate_product(InputMap map, float factor, const OpTensor& x, const OpTensor& c,
                                  const OpTensor& r, bool overwrite) = 0;
  virtual void add(float factor, const OpTensor& s, const OpTensor& r) = 0;  // r += factor * s
  // z += values, the same for every image; values holds one image in the layout of z.
  virtual void add_to_images(const float* values, const OpTensor& z) = 0;

  // Value-proportional pooling: average pooling, and max pooling by its "average" rule.
  virtual void average_pooling(const PoolingParams& params, AveragePoolingRule rule,
                               const OpTensor& x, const OpTensor& r_top,
                               const OpTensor& r_bottom) = 0;
  // Across channels, by the Taylor or the toolbox rule.
  virtual void lrn(const LrnParams& params, LrnRule rule, const OpTensor& x, const OpTensor& r_top,
                   const OpTensor& r_bottom) = 0;
  virtual void relu(ReluRule rule, const OpTensor& x, const OpTensor& r) = 0;  // in place
  // Convolution whose bias is spread over its taps; all plain, b may be null. What falls on padding
  // is added to `absorbed`.
  virtual void distributed(const ConvolutionParams& params, const DistributedRule& rule,
                           const OpTensor& x, const float* w, const float* b, const OpTensor& r_top,
                           const OpTensor& r_bottom, std::span<AbsorbedSums> absorbed) = 0;

  // Whether y = max(z, 0) can stand for z in a quotient: R is zero wherever y is not positive.
  [[nodiscard]] virtual bool output_serves(const OpTensor& y, const OpTensor& r) = 0;
  // *unserved <- 1 where that is not so; it stays as it is otherwise.
  virtual void note_unserved(const OpTensor& y, const OpTensor& r, int* unserved) = 0;
  virtual void sum_per_image(const OpTensor& r, std::span<ImageSums> sums) = 0;
  // absorbed[n].padding -= sum of image n of r.
  virtual void take_arrived(const OpTensor& r, std::span<AbsorbedSums> absorbed) = 0;
  // to <- channels first, first + 1, ... of `from`; the layouts may differ.
  virtual void take_channels(const OpTensor& from, std::int64_t first, const OpTensor& to) = 0;
  // r <- 0 in the channels for which `keep` (an entry per channel, in the device's memory) is 0.
  virtual void keep_channels(std::span<const std::uint8_t> keep, const OpTensor& r) = 0;
};

}  // namespace fovea
