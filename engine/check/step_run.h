// One step of relevance by itself on one device.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "engine/core/tensor.h"
#include "engine/relevance/step.h"

namespace fovea {

// Binds the step, gives it scratch memory and its layer's parameters (none: it has none), and runs
// it once: how many seconds, and by what.
void run_step(RelevanceStep& step, Device& memory, RelevanceBinding binding,
              std::span<const Tensor<float>> params, double& seconds, std::string& implementation);

// What formula() gives, in double and without a step: the device "reference".
template <class Formula>
[[nodiscard]] auto run_formula(Formula&& formula, double& seconds, std::string& implementation) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto result = formula();
  seconds = std::chrono::duration<double>(Clock::now() - start).count();
  implementation = "formula in double";
  return result;
}

}  // namespace fovea
