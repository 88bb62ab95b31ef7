#include "kernels/reference/relevance_linear.h"

#include "kernels/reference/taps.h"

namespace fovea::reference {

void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom) {
  fill(r_bottom, 0);
  for_each_element(r_top.shape, [&](auto n, auto k, auto p, auto q) {
    for (int group = 0; group < rule.groups; ++group) {
      double Z = 0;
      for (const RelevanceTerm& term : rule.table()) {
        if (term.group != group) continue;
        double sum = b.data ? mapped(term.bias, b[k]) : 0.0;
        for_each_tap(params, x.shape, k, p, q,
                     [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                       if (inside)
                         sum +=
                             mapped(term.input, x(n, c, h, v)) * mapped(term.weight, w(k, i, r, s));
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
                         r_bottom(n, c, h, v) += term.sign * mapped(term.input, x(n, c, h, v)) *
                                                 mapped(term.weight, w(k, i, r, s)) * S;
                     });
      }
    }
  });
}

// An inner product is a convolution with one tap per input, over an image of one pixel.
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom) {
  const std::int64_t images = x.shape.n(), inputs = x.shape.count_from(1);
  const Shape flat{images, inputs};
  relevance_linear(ConvolutionParams{.outputs = params.outputs}, rule, {x.data, flat},
                   {w.data, {params.outputs, inputs}}, b, r_top, {r_bottom.data, flat});
}

}  // namespace fovea::reference
