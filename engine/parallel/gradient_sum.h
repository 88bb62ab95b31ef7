// Sums the gradients of all ranks while the backward pass that makes them still runs.
//
// The parameters' gradients lie one behind the other in net order and become final from the last to
// the first. Neighbours are gathered into buckets of about bucket_floats, larger ones divided; a
// sum of a bucket (kernels/ops/device_sum.h) begins as soon as it is whole. A backward pass is run
// in parts that end where buckets become whole, so that a device may record each of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/graph/executor.h"
#include "kernels/ops/device_sum.h"

namespace fovea {

// Floats that are final when the backward pass of steps()[step] is done.
struct GradientBucket {
  std::size_t first = 0, count = 0;  // from the gradient of parameter 0 on
  std::size_t step = 0;
  std::string names;  // "the gradients of conv1.bias .. conv2.weight"
};

// In the order in which they become final. Parameters that do not learn (lr_mult 0) are left out.
[[nodiscard]] std::vector<GradientBucket> gradient_buckets(Executor& executor,
                                                           std::size_t bucket_floats);

// Parameters [first, end).
struct ParamRange {
  std::size_t first = 0, end = 0;
};

// A part of a backward pass: steps [first_step, end_step) of the executor, backwards, which have
// the parameters `params`, ascending; then `buckets` are whole.
struct GradientPart {
  std::size_t first_step = 0, end_step = 0;
  std::vector<ParamRange> params;
  std::vector<GradientBucket> buckets;
};

// All of a backward pass, in its order. The last part may have no bucket.
[[nodiscard]] std::vector<GradientPart> gradient_parts(Executor& executor,
                                                       std::size_t bucket_floats);

inline constexpr std::size_t kBucketFloats = std::size_t{1} << 20;  // 4 MiB

class GradientSum {
 public:
  // Of a training executor, in the memory of its device; both must outlive this.
  GradientSum(DeviceSum& sum, Executor& executor, std::size_t bucket_floats = kBucketFloats);

  [[nodiscard]] const std::vector<GradientPart>& parts() const { return parts_; }

  // A backward pass begins, whose gradients lie at `gradients` (as in Executor::packed_grad(0)).
  void begin(float* gradients);
  // One part more has been called for.
  void part_done();
  // Waits for all sums. What went wrong since begin() comes out here at the latest.
  void finish();

 private:
  DeviceSum& sum_;
  std::vector<GradientPart> parts_;
  float* gradients_ = nullptr;  // null between passes
  std::size_t done_ = 0;        // parts of this pass
};

}  // namespace fovea
