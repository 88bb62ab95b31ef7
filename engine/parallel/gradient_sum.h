// Sums the gradients of all ranks while the backward pass that makes them still runs.
//
// The parameters' gradients lie one behind the other in net order and become final from the last to
// the first. Neighbours are gathered into buckets of about bucket_floats, larger ones divided; as
// soon as a bucket is whole, a thread of this object sums it (Communicator::sum, in the order of
// the ranks), so the sums do not depend on when it happens.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/parallel/communicator.h"

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

inline constexpr std::size_t kBucketFloats = std::size_t{1} << 20;  // 4 MiB

class GradientSum {
 public:
  // Of a training executor in the host's memory; both must outlive this.
  GradientSum(Communicator& ranks, Executor& executor, std::size_t bucket_floats = kBucketFloats);
  // In the middle of a pass: cancels the communicator.
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // Steps of the executor, and the parameters that each of them has.
  [[nodiscard]] std::size_t steps() const { return params_of_steps_.size(); }
  [[nodiscard]] const std::vector<std::size_t>& params_of(std::size_t step) const {
    return params_of_steps_[step];
  }

  // A backward pass begins, whose gradients lie at `gradients` (as in Executor::packed_grad(0)).
  void begin(float* gradients);
  // The backward passes of steps()[step] and of all behind it are done.
  void step_done(std::size_t step);
  // Waits for all sums. What went wrong since begin() comes out here.
  void finish();

 private:
  void work();

  Communicator& ranks_;
  std::vector<std::vector<std::size_t>> params_of_steps_;
  std::vector<GradientBucket> buckets_;
  std::mutex mutex_;  // of everything below
  std::condition_variable changed_;
  float* gradients_ = nullptr;
  std::size_t final_ = 0, summed_ = 0;  // buckets of this pass; equal: nothing to do
  bool stop_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace fovea
