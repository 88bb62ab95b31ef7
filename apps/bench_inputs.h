// What the benchmarks of nets run on: random weights and some pixels.
#pragma once

#include <memory>
#include <string>

#include "engine/relevance/analyzer.h"

namespace fovea::apps {

void fill_bench_input(Executor& executor);

// The deploy net `net` to be explained by `rule`, after its forward pass, whose input stays on the
// device.
[[nodiscard]] std::shared_ptr<Analyzer> bench_analyzer(const std::string& net, std::int64_t batch,
                                                       const std::string& rule);

}  // namespace fovea::apps
