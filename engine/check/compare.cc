#include "engine/check/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/error.h"

namespace fovea {

void compare(const std::vector<Tensor<float>>& actual, const std::vector<Tensor<float>>& expected,
             const std::vector<Tensor<float>>& bounds, double scale, CheckLine& line) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double largest_share = -1;
  for (std::size_t t = 0; t < expected.size(); ++t) {
    expects(actual[t].shape == expected[t].shape, "equal shapes on both sides");
    for (std::size_t i = 0; i < expected[t].values.size(); ++i) {
      const auto a = static_cast<double>(actual[t].values[i]),
                 e = static_cast<double>(expected[t].values[i]),
                 bound = scale * static_cast<double>(bounds[t].values[i]);
      double error = a == e ? 0 : std::abs(a - e);
      if (std::isnan(error)) error = kInfinity;
      line.max_error = std::max(line.max_error, error);
      const double share = error == 0 ? 0 : bound > 0 ? error / bound : kInfinity;
      if (!(share > largest_share)) continue;
      largest_share = share;
      line.tensor = static_cast<int>(t), line.index = static_cast<std::int64_t>(i);
      line.expected = e, line.actual = a, line.error = error, line.bound = bound;
      line.ok = error <= bound;
    }
  }
}

}  // namespace fovea
