#include "kernels/reference/relevance_linear.h"

#include "kernels/reference/taps.h"

namespace fovea::reference {

namespace {

// a_t of the input at (n, c, h, v); off the image only kOne is not zero.
double input_at(InputMap map, Input x, Input mean, std::int64_t n, std::int64_t c, std::int64_t h,
                std::int64_t v) {
  return map == InputMap::kMean ? mean(std::int64_t{0}, c, h, v) : mapped(map, x(n, c, h, v));
}

}  // namespace

void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, Input mean) {
  fill(r_bottom, 0);
  const std::int64_t group_outputs = params.outputs / params.groups;
  for_each_element(r_top.shape, [&](auto n, auto k, auto p, auto q) {
    for (int group = 0; group < rule.groups; ++group) {
      double Z = 0;
      for (const RelevanceTerm& term : rule.table()) {
        if (term.group != group) continue;
        double sum =
            b.data ? mapped(term.bias, b[rule.group0_biases ? k % group_outputs : k]) : 0.0;
        for_each_tap(
            params, x.shape, k, p, q,
            [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
              if (!inside && (term.sum == TermSum::kInside || term.input != InputMap::kOne)) return;
              const double a = inside ? input_at(term.input, x, mean, n, c, h, v) : 1.0;
              sum += a * mapped(term.weight, w(k, i, r, s));
            });
        Z += term.sign * sum;
      }
      const double S = rule.coefficient[static_cast<std::size_t>(group)] *
                       stabilized_quotient(rule.stabilizer, r_top(n, k, p, q), Z,
                                           static_cast<double>(rule.epsilon));
      for (const RelevanceTerm& term : rule.table()) {
        if (term.group != group) continue;
        for_each_tap(params, x.shape, k, p, q,
                     [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                       if (inside)
                         r_bottom(n, c, h, v) += term.sign *
                                                 input_at(term.input, x, mean, n, c, h, v) *
                                                 mapped(term.weight, w(k, i, r, s)) * S;
                     });
      }
    }
  });
}

// An inner product is a convolution with one tap per input, over an image of one pixel.
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, Input mean) {
  const std::int64_t images = x.shape.n(), inputs = x.shape.count_from(1);
  const Shape flat{images, inputs};
  relevance_linear(ConvolutionParams{.outputs = params.outputs}, rule, {x.data, flat},
                   {w.data, {params.outputs, inputs}}, b, r_top, {r_bottom.data, flat},
                   {mean.data, {1, inputs}});
}

}  // namespace fovea::reference
