// How long every step of a relevance walk takes on a device, alone.
#pragma once

#include "engine/bench/step_bench.h"
#include "engine/relevance/analyzer.h"

namespace fovea {

// In walking order, pass "relevance"; `implementation` is what --explain says of the step. Steps
// that pass relevance as it is are left out. Declared: four operations per multiply-accumulate of
// linear layers (the denominators and the way back; rules of several terms do more), and values,
// relevance and weights once each. Takes class 0 of every image. Afterwards the walk is run again:
// Error when the map is not bit for bit what it was in front of the timing.
[[nodiscard]] std::vector<StepTiming> bench_walk(Analyzer& analyzer,
                                                 const StepBenchOptions& options);

}  // namespace fovea
