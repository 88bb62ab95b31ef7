// R_i += R_j x_i / S_j over the window of output j; each (image, channel block) plane belongs to
// one thread.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/relevance.h"

namespace fovea::cpu {
namespace {

// Below this the LRP Toolbox calls a window empty: it then adds x itself and drops R.
constexpr float kEmptyWindow = 1e-6F;

struct Window {
  WindowRange rows, columns;
};

float share_of(AveragePoolingRule rule, float relevance, float sum) {
  if (rule == AveragePoolingRule::kToolbox && std::fabs(sum) < kEmptyWindow) return 1;
  return sum == 0 ? 0 : relevance / sum;
}

// One lane of one window.
void spread(AveragePoolingRule rule, const Window& window, std::int64_t width, std::int64_t lanes,
            const float* x, float relevance, float* r) {
  float sum = 0;
  for (std::int64_t h = window.rows.begin; h < window.rows.end; ++h) {
    for (std::int64_t w = window.columns.begin; w < window.columns.end; ++w)
      sum += x[(h * width + w) * lanes];
  }
  const float share = share_of(rule, relevance, sum);
  for (std::int64_t h = window.rows.begin; h < window.rows.end; ++h) {
    for (std::int64_t w = window.columns.begin; w < window.columns.end; ++w) {
      r[(h * width + w) * lanes] += share * x[(h * width + w) * lanes];
    }
  }
}

}  // namespace

void relevance_average_pooling(const PoolingParams& params, AveragePoolingRule rule,
                               const OpTensor& x, const OpTensor& r_top, const OpTensor& r_bottom) {
  const PoolingParams p = resolved(params, x.shape);
  const Lanes in(x), out(r_top);
  const std::int64_t rows = r_top.shape.h(), columns = r_top.shape.w();
#pragma omp parallel for schedule(static)
  for (std::int64_t plane = 0; plane < in.images * in.blocks; ++plane) {
    const float* values = x.data + in.plane(0, plane);
    const float* above = r_top.data + out.plane(0, plane);
    float* below = r_bottom.data + in.plane(0, plane);
    std::fill_n(below, in.positions * in.lanes, 0.0F);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        const Window window{
            clipped_window(row, p.kernel[0], p.stride[0], p.pad[0], x.shape.h()),
            clipped_window(column, p.kernel[1], p.stride[1], p.pad[1], x.shape.w())};
        for (std::int64_t lane = 0; lane < in.lanes; ++lane) {
          spread(rule, window, x.shape.w(), in.lanes, values + lane,
                 above[(row * columns + column) * out.lanes + lane], below + lane);
        }
      }
    }
  }
}

}  // namespace fovea::cpu
