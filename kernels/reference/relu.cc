#include "kernels/reference/relu.h"

namespace fovea::reference {

void relu(double slope, Input x, Output y) {
  for (std::int64_t i = 0; i < x.count(); ++i)
    y[i] = std::max(x[i], 0.0) + slope * std::min(x[i], 0.0);
}

void relu_gradient(double slope, Input sign, Input dy, Output dx) {
  for (std::int64_t i = 0; i < dy.count(); ++i) dx[i] = dy[i] * (sign[i] > 0 ? 1 : slope);
}

}  // namespace fovea::reference
