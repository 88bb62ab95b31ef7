// Which of several implementations is the fastest for a problem: measured once per machine (its
// processor and number of threads, or its GPU, driver and libraries), problem and precision, on the
// device's clock, and kept in $XDG_CACHE_HOME/fovea/implementations.json (else
// ~/.cache/fovea). Deleting the file measures anew.
//
// An operation is timed by itself; what a change of layout in front of it would cost is not seen.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/ops/op.h"

namespace fovea {

struct TunedDevice {
  std::string_view name;  // as open_device() takes it
  std::string
      libraries{};  // versions of those that the candidates come from, where they may change
};

// `candidates` all support the problem.
[[nodiscard]] const Implementation* fastest(const TunedDevice& device, const OpProblem& problem,
                                            std::span<const Implementation* const> candidates);

}  // namespace fovea
