#include "kernels/reference/convolution.h"

#include "kernels/reference/taps.h"

namespace fovea::reference {

void convolution(const ConvolutionParams& params, Input x, Input w, Input b, Output y) {
  for_each_element(y.shape, [&](auto n, auto k, auto p, auto q) {
    double sum = b.data ? b[k] : 0.0;
    for_each_tap(params, x.shape, k, p, q,
                 [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                   if (inside) sum += w(k, i, r, s) * x(n, c, h, v);
                 });
    y(n, k, p, q) = sum;
  });
}

void convolution_gradient(const ConvolutionParams& params, Input x, Input w, Input dy, Output dx,
                          Output dw, Output db) {
  fill(dx, 0), fill(dw, 0), fill(db, 0);
  for_each_element(dy.shape, [&](auto n, auto k, auto p, auto q) {
    const double gradient = dy(n, k, p, q);
    if (db.data) db[k] += gradient;
    for_each_tap(params, x.shape, k, p, q,
                 [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                   if (!inside) return;
                   if (dx.data) dx(n, c, h, v) += w(k, i, r, s) * gradient;
                   if (dw.data) dw(k, i, r, s) += x(n, c, h, v) * gradient;
                 });
  });
}

}  // namespace fovea::reference
