#include "kernels/reference/softmax.h"

#include <cmath>

namespace fovea::reference {

void softmax(Input x, Output y) {
  const Shape& shape = x.shape;
  const std::int64_t positions = shape.h() * shape.w();
  for (std::int64_t n = 0; n < shape.n(); ++n) {
    for (std::int64_t i = 0; i < positions; ++i) {
      double largest = x(n, 0, 0, i), sum = 0;
      for (std::int64_t c = 0; c < shape.c(); ++c) largest = std::max(largest, x(n, c, 0, i));
      for (std::int64_t c = 0; c < shape.c(); ++c) sum += std::exp(x(n, c, 0, i) - largest);
      for (std::int64_t c = 0; c < shape.c(); ++c) {
        y(n, c, 0, i) = std::exp(x(n, c, 0, i) - largest) / sum;
      }
    }
  }
}

void softmax_gradient(Input y, Input dy, Output dx) {
  const Shape& shape = y.shape;
  const std::int64_t positions = shape.h() * shape.w();
  for (std::int64_t n = 0; n < shape.n(); ++n) {
    for (std::int64_t i = 0; i < positions; ++i) {
      double dot = 0;
      for (std::int64_t c = 0; c < shape.c(); ++c) dot += dy(n, c, 0, i) * y(n, c, 0, i);
      for (std::int64_t c = 0; c < shape.c(); ++c) {
        dx(n, c, 0, i) = y(n, c, 0, i) * (dy(n, c, 0, i) - dot);
      }
    }
  }
}

}  // namespace fovea::reference
