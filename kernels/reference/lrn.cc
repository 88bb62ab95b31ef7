#include "kernels/reference/lrn.h"

#include <cmath>

#include "kernels/ops/geometry.h"
#include "kernels/reference/taps.h"

namespace fovea::reference {
namespace {

// Calls visit(c', h', w', a) for the neighbours whose squares enter S at (c, h, w) with factor a.
template <class Visit>
void for_each_neighbour(const LrnParams& params, const Shape& x, std::int64_t c, std::int64_t h,
                        std::int64_t w, Visit&& visit) {
  const std::int64_t n = params.size, half = (n - 1) / 2;
  const double alpha = params.alpha;
  if (params.region == LrnRegion::kAcrossChannels) {
    const std::int64_t last = std::min(c + half, x.c() - 1);
    for (std::int64_t i = std::max<std::int64_t>(c - half, 0); i <= last; ++i) {
      visit(i, h, w, alpha / static_cast<double>(n));
    }
    return;
  }
  const WindowRange rows = clipped_window(h, n, 1, half, x.h());
  const WindowRange columns = clipped_window(w, n, 1, half, x.w());
  const auto divisor = static_cast<double>(padded_window_length(h, n, 1, half, x.h()) *
                                           padded_window_length(w, n, 1, half, x.w()));
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t s = columns.begin; s < columns.end; ++s) visit(c, r, s, alpha / divisor);
  }
}

}  // namespace

double lrn_scale(const LrnParams& params, Input x, std::int64_t n, std::int64_t c, std::int64_t h,
                 std::int64_t w) {
  double sum = params.region == LrnRegion::kAcrossChannels ? params.k : 1.0;
  for_each_neighbour(params, x.shape, c, h, w, [&](auto i, auto r, auto s, double a) {
    sum += a * x(n, i, r, s) * x(n, i, r, s);
  });
  return sum;
}

void lrn(const LrnParams& params, Input x, Output y) {
  const double beta = params.beta;
  for_each_element(x.shape, [&](auto n, auto c, auto h, auto w) {
    y(n, c, h, w) = x(n, c, h, w) * std::pow(lrn_scale(params, x, n, c, h, w), -beta);
  });
}

void lrn_gradient(const LrnParams& params, Input x, Input dy, Output dx) {
  const double beta = params.beta;
  fill(dx, 0);
  // y_j = x_j S_j^-beta depends on x_j itself and on every x_i that enters S_j.
  for_each_element(x.shape, [&](auto n, auto c, auto h, auto w) {
    const double S = lrn_scale(params, x, n, c, h, w);
    const double power = std::pow(S, -beta);
    dx(n, c, h, w) += power * dy(n, c, h, w);
    const double dS = -beta * x(n, c, h, w) * power / S * dy(n, c, h, w);
    for_each_neighbour(params, x.shape, c, h, w, [&](auto i, auto r, auto s, double a) {
      dx(n, i, r, s) += dS * 2 * a * x(n, i, r, s);
    });
  });
}

}  // namespace fovea::reference
