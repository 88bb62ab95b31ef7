#include "kernels/reference/pooling.h"

#include <cfloat>

#include "kernels/reference/taps.h"

namespace fovea::reference {
namespace {

struct Window {
  WindowRange rows, columns;
  double divisor;  // cells of the window clipped to the padded image
};

Window window_at(const PoolingParams& params, const Shape& x, std::int64_t p, std::int64_t q) {
  const Extent2 kernel = params.kernel, stride = params.stride, pad = params.pad;
  return {clipped_window(p, kernel[0], stride[0], pad[0], x.h()),
          clipped_window(q, kernel[1], stride[1], pad[1], x.w()),
          static_cast<double>(padded_window_length(p, kernel[0], stride[0], pad[0], x.h()) *
                              padded_window_length(q, kernel[1], stride[1], pad[1], x.w()))};
}

template <class Visit>
void for_each_cell(const Window& window, Visit&& visit) {
  for (std::int64_t h = window.rows.begin; h < window.rows.end; ++h) {
    for (std::int64_t w = window.columns.begin; w < window.columns.end; ++w) visit(h, w);
  }
}

bool is_empty(const Window& window) {
  return window.rows.begin >= window.rows.end || window.columns.begin >= window.columns.end;
}

}  // namespace

void pooling(const PoolingParams& given, Input x, Output y, std::span<std::int64_t> argmax) {
  const PoolingParams params = resolved(given, x.shape);
  std::size_t j = 0;
  for_each_element(y.shape, [&](auto n, auto c, auto p, auto q) {
    const Window window = window_at(params, x.shape, p, q);
    if (params.mode == PoolingMode::kMax) {
      double largest = -FLT_MAX;
      argmax[j] = -1;
      for_each_cell(window, [&](auto h, auto w) {
        if (x(n, c, h, w) > largest) {
          largest = x(n, c, h, w);
          argmax[j] = h * x.shape.w() + w;
        }
      });
      y(n, c, p, q) = largest;
    } else {
      double sum = 0;
      for_each_cell(window, [&](auto h, auto w) { sum += x(n, c, h, w); });
      y(n, c, p, q) = is_empty(window) ? 0 : sum / window.divisor;
    }
    ++j;
  });
}

void pooling_gradient(const PoolingParams& given, Input dy, std::span<const std::int64_t> argmax,
                      Output dx) {
  const PoolingParams params = resolved(given, dx.shape);
  fill(dx, 0);
  std::size_t j = 0;
  for_each_element(dy.shape, [&](auto n, auto c, auto p, auto q) {
    if (params.mode == PoolingMode::kMax) {
      if (argmax[j] >= 0) dx(n, c, 0, argmax[j]) += dy(n, c, p, q);
    } else {
      const Window window = window_at(params, dx.shape, p, q);
      for_each_cell(window,
                    [&](auto h, auto w) { dx(n, c, h, w) += dy(n, c, p, q) / window.divisor; });
    }
    ++j;
  });
}

}  // namespace fovea::reference
