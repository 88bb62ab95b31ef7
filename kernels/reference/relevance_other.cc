#include "kernels/reference/relevance_other.h"

#include <cmath>

#include "kernels/reference/lrn.h"
#include "kernels/reference/taps.h"

namespace fovea::reference {
namespace {

// Windows whose sum is smaller are empty to the LRP Toolbox.
constexpr double kEmptyWindow = 1e-6;

double window_share(AveragePoolingRule rule, double relevance, double sum) {
  if (rule == AveragePoolingRule::kToolbox && std::abs(sum) < kEmptyWindow) return 1;
  return sum == 0 ? 0 : relevance / sum;
}

void relevance_lrn_toolbox(const LrnParams& p, Input x, Input r_top, Output r_bottom) {
  const std::int64_t half = (p.size - 1) / 2, channels = x.shape.c();
  const double a = p.alpha / static_cast<double>(p.size), beta = p.beta;
  for_each_element(x.shape, [&](auto n, auto c, auto h, auto w) {
    const double x_c = x(n, c, h, w);
    double sum = 0;
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, channels - 1); ++d) {
      if (d == c) continue;
      const double S = lrn_scale(p, x, n, d, h, w);
      sum += -2 * a * beta * std::pow(S, -beta - 1) * x(n, d, h, w) * r_top(n, d, h, w);
    }
    r_bottom(n, c, h, w) =
        r_top(n, c, h, w) * x_c * std::pow(p.k + a * x_c * x_c, -beta) + x_c * x_c * sum;
  });
}

// Messages to every input, divided by their own sum.
void relevance_lrn_taylor(const LrnParams& p, Input x, Input r_top, Output r_bottom) {
  const std::int64_t half = (p.size - 1) / 2, channels = x.shape.c();
  const double a = p.alpha / static_cast<double>(p.size), beta = p.beta;
  fill(r_bottom, 0);
  for_each_element(x.shape, [&](auto n, auto c, auto h, auto w) {
    const double x_c = x(n, c, h, w), own = std::pow(p.k + a * x_c * x_c, -beta);
    const double cross = -2 * a * beta * std::pow(lrn_scale(p, x, n, c, h, w), -beta - 1);
    const std::int64_t begin = std::max<std::int64_t>(c - half, 0),
                       end = std::min(c + half, channels - 1);
    const auto message = [&](std::int64_t d) {  // over x_c
      return d == c ? own : cross * x(n, d, h, w) * x(n, d, h, w);
    };
    double sum = 0;
    for (std::int64_t d = begin; d <= end; ++d) sum += message(d);
    for (std::int64_t d = begin; d <= end; ++d)
      r_bottom(n, d, h, w) += r_top(n, c, h, w) * message(d) / sum;
  });
}

}  // namespace

void relevance_average_pooling(const PoolingParams& given, AveragePoolingRule rule, Input x,
                               Input r_top, Output r_bottom) {
  const PoolingParams p = resolved(given, x.shape);
  fill(r_bottom, 0);
  for_each_element(r_top.shape, [&](auto n, auto c, auto i, auto j) {
    const auto rows = clipped_window(i, p.kernel[0], p.stride[0], p.pad[0], x.shape.h());
    const auto columns = clipped_window(j, p.kernel[1], p.stride[1], p.pad[1], x.shape.w());
    double S = 0;
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) S += x(n, c, h, w);
    }
    const double share = window_share(rule, r_top(n, c, i, j), S);
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        r_bottom(n, c, h, w) += share * x(n, c, h, w);
      }
    }
  });
}

void relevance_lrn(const LrnParams& params, LrnRule rule, Input x, Input r_top, Output r_bottom) {
  expects(rule == LrnRule::kIdentity || rule == LrnRule::kGradient ||
              params.region == LrnRegion::kAcrossChannels,
          "LRN within a channel passes relevance only by the identity and the gradient rule");
  switch (rule) {
    case LrnRule::kIdentity:
      std::copy_n(r_top.data, r_top.count(), r_bottom.data);
      break;
    case LrnRule::kTaylor:
      relevance_lrn_taylor(params, x, r_top, r_bottom);
      break;
    case LrnRule::kToolbox:
      relevance_lrn_toolbox(params, x, r_top, r_bottom);
      break;
    case LrnRule::kGradient:
      lrn_gradient(params, x, r_top, r_bottom);
      break;
  }
}

}  // namespace fovea::reference
