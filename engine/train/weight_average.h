// Exponential moving average of a net's parameters over the iterations of its training (Polyak &
// Juditsky 1992; often called EMA):
//   a <- d a + (1 - d) w behind iteration n = 1, 2, ..., d = min(decay, (1 + n) / (10 + n)),
// so that a short run does not remember where it started from.
#pragma once

#include <string>
#include <vector>

#include "engine/core/buffer.h"
#include "engine/graph/executor.h"
#include "engine/io/safetensors.h"

namespace fovea {

class WeightAverage {
 public:
  // Starts at the executor's present parameters; `executor` must outlive this.
  WeightAverage(Executor& executor, float decay);

  void update(std::int64_t iteration);  // iterations done, 1 or more

  // Appends all averages under the names of the parameters, in plain order; and the reverse. Error
  // naming `name` when one is missing or has another shape.
  void append(WeightFile& file) const;
  void restore(const WeightFile& file, const std::string& name);

 private:
  Executor& executor_;
  float decay_;
  std::vector<Buffer<float>> averages_;  // per parameter, packed as it is
};

}  // namespace fovea
