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
    for (const int node : steps[s].nodes) {
      for (const ParamInfo& info : executor.graph().nodes[static_cast<std::size_t>(node)].params) {
        for (std::size_t k = 0; k < executor.param_count(); ++k) {
          if (&executor.param_info(k) == &info) params[s].push_back(k);
        }
      }
    }
  }
  return params;
}

// As ranges of neighbours, ascending. Siblings have others' parameters between theirs.
std::vector<ParamRange> ranges_of(std::vector<std::size_t> params) {
  std::ranges::sort(params);
  std::vector<ParamRange> ranges;
  for (const std::size_t k : params) {
    if (ranges.empty() || ranges.back().end != k) ranges.push_back({k, k});
    ++ranges.back().end;
  }
  return ranges;
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

std::vector<GradientPart> gradient_parts(Executor& executor, std::size_t bucket_floats) {
  const auto params = params_of_steps(executor);
  std::vector<GradientPart> parts;
  std::size_t end_step = params.size();
  const auto close = [&](std::size_t step) {
    std::vector<std::size_t> of_part;
    for (std::size_t s = step; s < end_step; ++s)
      of_part.insert(of_part.end(), params[s].begin(), params[s].end());
    parts.push_back({.first_step = step,
                     .end_step = end_step,
                     .params = ranges_of(std::move(of_part)),
                     .buckets = {}});
    end_step = step;
  };
  for (GradientBucket& bucket : gradient_buckets(executor, bucket_floats)) {
    if (bucket.step < end_step) close(bucket.step);
    parts.back().buckets.push_back(std::move(bucket));
  }
  if (end_step > 0) close(0);
  return parts;
}

GradientSum::GradientSum(DeviceSum& sum, Executor& executor, std::size_t bucket_floats)
    : sum_(sum), parts_(gradient_parts(executor, bucket_floats)) {}

void GradientSum::begin(float* gradients) {
  expects(!gradients_, "one pass at a time");
  gradients_ = gradients, done_ = 0;
}

void GradientSum::part_done() {
  for (const GradientBucket& bucket : parts_.at(done_).buckets)
    sum_.start({gradients_ + bucket.first, bucket.count}, bucket.names);
  ++done_;
}

void GradientSum::finish() {
  expects(done_ == parts_.size(), "a backward pass of all parts");
  gradients_ = nullptr;
  sum_.finish();
}

}  // namespace fovea
