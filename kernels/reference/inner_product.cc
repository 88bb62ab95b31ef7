#include "kernels/reference/inner_product.h"

namespace fovea::reference {

void inner_product(Input x, Input w, Input b, Output y) {
  const std::int64_t inputs = x.shape.count_from(1), outputs = y.shape.c();
  for (std::int64_t n = 0; n < x.shape.n(); ++n) {
    for (std::int64_t k = 0; k < outputs; ++k) {
      double sum = b.data ? b[k] : 0.0;
      for (std::int64_t i = 0; i < inputs; ++i) sum += w[k * inputs + i] * x[n * inputs + i];
      y[n * outputs + k] = sum;
    }
  }
}

void inner_product_gradient(Input x, Input w, Input dy, Output dx, Output dw, Output db) {
  fill(dx, 0), fill(dw, 0), fill(db, 0);
  const std::int64_t inputs = x.shape.count_from(1), outputs = dy.shape.c();
  for (std::int64_t n = 0; n < x.shape.n(); ++n) {
    for (std::int64_t k = 0; k < outputs; ++k) {
      const double gradient = dy[n * outputs + k];
      if (db.data) db[k] += gradient;
      for (std::int64_t i = 0; i < inputs; ++i) {
        if (dx.data) dx[n * inputs + i] += w[k * inputs + i] * gradient;
        if (dw.data) dw[k * inputs + i] += x[n * inputs + i] * gradient;
      }
    }
  }
}

}  // namespace fovea::reference
