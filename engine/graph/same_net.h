// Whether two graphs are the same net.
#pragma once

#include <string>

#include "engine/graph/graph.h"

namespace fovea {

// One line that says where they differ first, `a` as found and `b` as expected: "layer conv1:
// outputs 96, expected 48"; "" = same layers, operations and shapes, whatever fills and trains
// their parameters.
[[nodiscard]] std::string first_difference(const Graph& a, const Graph& b);

}  // namespace fovea
