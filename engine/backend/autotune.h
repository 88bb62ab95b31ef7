// Which of several implementations is the fastest for a problem: measured once per machine, number
// of threads, problem and precision, and kept in $XDG_CACHE_HOME/fovea/implementations.json (else
// ~/.cache/fovea). Deleting the file measures anew.
//
// An operation is timed by itself; what a change of layout in front of it would cost is not seen.
#pragma once

#include <span>
#include <string_view>

#include "kernels/ops/op.h"

namespace fovea {

// `candidates` all support the problem; one is returned without measuring.
[[nodiscard]] const Implementation* fastest(std::string_view device, const OpProblem& problem,
                                            std::span<const Implementation* const> candidates);

}  // namespace fovea
