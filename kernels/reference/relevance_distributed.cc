#include "kernels/reference/relevance_distributed.h"

#include "kernels/reference/taps.h"

namespace fovea::reference {

DistributedFactors distributed_factors(const DistributedRule& rule, double relevance,
                                       double positive, double negative) {
  if (rule.beta < 0) {
    const double s = stabilized_quotient(Stabilizer::kEpsilon, relevance, positive + negative,
                                         static_cast<double>(rule.epsilon));
    return {s, s};
  }
  const auto beta = static_cast<double>(rule.beta);
  const auto over = [&](double sum) { return sum == 0 ? 0 : relevance / sum; };
  return {(1 + beta) * over(positive), -beta * over(negative)};
}

void relevance_distributed(const ConvolutionParams& params, const DistributedRule& rule, Input x,
                           Input w, Input b, Input r_top, Output r_bottom) {
  fill(r_bottom, 0);
  const std::int64_t taps = x.shape.c() / params.groups * params.kernel[0] * params.kernel[1];
  for_each_element(r_top.shape, [&](auto n, auto k, auto p, auto q) {
    const double bias = b.data ? b[k] / static_cast<double>(taps) : 0;
    const auto each_tap = [&](auto&& visit) {
      for_each_tap(params, x.shape, k, p, q,
                   [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                     visit((inside ? w(k, i, r, s) * x(n, c, h, v) : 0) + bias, c, h, v, inside);
                   });
    };
    double positive = 0, negative = 0;
    each_tap([&](double t, auto, auto, auto, bool) { (t > 0 ? positive : negative) += t; });
    const DistributedFactors f = distributed_factors(rule, r_top(n, k, p, q), positive, negative);
    each_tap([&](double t, auto c, auto h, auto v, bool inside) {
      if (inside) r_bottom(n, c, h, v) += t * (t > 0 ? f.gain : f.loss);
    });
  });
}

}  // namespace fovea::reference
