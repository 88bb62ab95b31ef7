#include "engine/parallel/gradient_sum.h"

#include <algorithm>

#include "engine/core/error.h"

namespace fovea {
namespace {

// The parameters of each step, as numbers of the executor's.
std::vector<std::vector<std::size_t>> params_of_steps(const Executor& executor) {
  const std::vector<StepInfo> steps = executor.steps();
  std::vector<std::vector<std::size_t>> params(steps.size());
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (steps[s].node < 0) continue;
    for (const ParamInfo& info :
         executor.graph().nodes[static_cast<std::size_t>(steps[s].node)].params) {
      for (std::size_t k = 0; k < executor.param_count(); ++k) {
        if (&executor.param_info(k) == &info) params[s].push_back(k);
      }
    }
  }
  return params;
}

// A run of neighbouring gradients; `low` and `high` are parameters.
struct Run {
  std::size_t first = 0, count = 0, step = 0, low = 0, high = 0;
};

void divide(const Run& run, const Executor& executor, std::size_t bucket_floats,
            std::vector<GradientBucket>& buckets) {
  const std::string &low = executor.param_info(run.low).name,
                    &high = executor.param_info(run.high).name;
  const std::string names = "the gradients of " + (low == high ? low : low + " .. " + high);
  for (std::size_t done = 0; done < run.count;) {
    const std::size_t count = std::min(bucket_floats, run.count - done);
    buckets.push_back({run.first + done, count, run.step, names});
    done += count;
  }
}

}  // namespace

std::vector<GradientBucket> gradient_buckets(Executor& executor, std::size_t bucket_floats) {
  std::vector<GradientBucket> buckets;
  if (executor.param_count() == 0) return buckets;
  const float* base = executor.packed_grad(0).data();
  const auto params = params_of_steps(executor);
  Run run;
  const auto close = [&] {
    if (run.count > 0) divide(run, executor, bucket_floats, buckets);
    run = {};
  };
  for (std::size_t s = params.size(); s-- > 0;) {
    for (auto k = params[s].rbegin(); k != params[s].rend(); ++k) {
      if (executor.param_info(*k).lr_mult == 0) {
        close();
        continue;
      }
      const std::span<const float> gradient = executor.packed_grad(*k);
      const auto first = static_cast<std::size_t>(gradient.data() - base);
      // What lies between two gradients is padding, zero on all ranks.
      const bool neighbour = run.count > 0 && *k + 1 == run.low;
      if (run.count > 0 && (!neighbour || run.first + run.count - first > bucket_floats)) close();
      const std::size_t end = run.count > 0 ? run.first + run.count : first + gradient.size();
      run = {first, end - first, s, *k, run.count > 0 ? run.high : *k};
    }
  }
  close();
  return buckets;
}

GradientSum::GradientSum(Communicator& ranks, Executor& executor, std::size_t bucket_floats)
    : ranks_(ranks),
      params_of_steps_(params_of_steps(executor)),
      buckets_(gradient_buckets(executor, bucket_floats)),
      thread_([this] { work(); }) {}

GradientSum::~GradientSum() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (summed_ < buckets_.size() && gradients_ != nullptr) ranks_.cancel();
  }
  changed_.notify_all();
}

void GradientSum::begin(float* gradients) {
  const std::lock_guard lock(mutex_);
  expects(!gradients_, "one pass at a time");
  gradients_ = gradients;
  final_ = summed_ = 0;
  ranks_.wait_busily(false);  // the cores belong to the backward pass
}

void GradientSum::step_done(std::size_t step) {
  {
    const std::lock_guard lock(mutex_);
    while (final_ < buckets_.size() && buckets_[final_].step >= step) ++final_;
  }
  changed_.notify_all();
}

void GradientSum::finish() {
  ranks_.wait_busily(true);
  std::unique_lock lock(mutex_);
  expects(final_ == buckets_.size(), "a backward pass of all steps");
  changed_.wait(lock, [&] { return summed_ == buckets_.size() || error_; });
  if (error_) std::rethrow_exception(error_);
  gradients_ = nullptr;
}

void GradientSum::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || (gradients_ && summed_ < final_); });
    if (stop_) return;
    const GradientBucket& bucket = buckets_[summed_];
    const std::span<float> values(gradients_ + bucket.first, bucket.count);
    lock.unlock();
    try {
      ranks_.sum(values, bucket.names);
      lock.lock();
      ++summed_;
    } catch (...) {
      lock.lock();
      error_ = std::current_exception();
      gradients_ = nullptr;  // nothing more to do
    }
    changed_.notify_all();
  }
}

}  // namespace fovea
