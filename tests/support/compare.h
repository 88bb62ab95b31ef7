// Comparison of arrays that says where it failed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "engine/core/error.h"

namespace fovea {

template <class T>
double largest_magnitude(std::span<const T> values) {
  double largest = 0;
  for (const T value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

// Every |actual - expected| <= bound; names the worst element otherwise. NaN is never near.
template <class T, class U>
testing::AssertionResult all_near(std::span<const T> actual, std::span<const U> expected,
                                  double bound) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " values, expected " << expected.size();
  }
  std::size_t worst = 0, outside = 0;
  double worst_error = -1;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    double error = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    if (error > worst_error) worst = i, worst_error = error;
    if (error > bound) ++outside;
  }
  if (outside == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << outside << " of " << actual.size() << " values are off, worst at index " << worst
         << ": expected " << expected[worst] << ", actual " << actual[worst] << ", error "
         << worst_error << ", bound " << bound;
}

template <class T, class U>
testing::AssertionResult all_near(const std::vector<T>& actual, const std::vector<U>& expected,
                                  double bound) {
  return all_near(std::span<const T>(actual), std::span<const U>(expected), bound);
}
template <class T>
double largest_magnitude(const std::vector<T>& values) {
  return largest_magnitude(std::span<const T>(values));
}

}  // namespace fovea
