// The middle one of measured values.
#pragma once

#include <algorithm>
#include <vector>

namespace fovea::apps {

// Of an even number the upper of the two in the middle; `values` must not be empty.
[[nodiscard]] inline double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

}  // namespace fovea::apps
