#include "kernels/reference/relevance_linear.h"

#include <cmath>

#include "kernels/reference/taps.h"

namespace fovea::reference {

namespace {

struct Layer {
  const ConvolutionParams& params;
  const RelevanceRule& rule;
  Input x, w, b;
  const Bounds& bounds;

  // a_t of the input at (n, c, h, v); off the image only kOne is not zero.
  [[nodiscard]] double input_at(InputMap map, std::int64_t n, std::int64_t c, std::int64_t h,
                                std::int64_t v) const {
    if (map == InputMap::kLow) return bounds.low(0, c, h, v);
    if (map == InputMap::kHigh) return bounds.high(0, c, h, v);
    return mapped(map, x(n, c, h, v));
  }
  [[nodiscard]] double weight(const RelevanceTerm& term, std::int64_t k, std::int64_t i,
                              std::int64_t r, std::int64_t s) const {
    return mapped(term.weight, w(k, i, r, s), static_cast<double>(rule.gamma));
  }
  [[nodiscard]] double bias(const RelevanceTerm& term, std::int64_t k) const {
    const std::int64_t group_outputs = params.outputs / params.groups;
    return b.data ? mapped(term.bias, b[rule.group0_biases ? k % group_outputs : k],
                           static_cast<double>(rule.gamma))
                  : 0.0;
  }

  [[nodiscard]] double Z(int group, std::int64_t n, std::int64_t k, std::int64_t p,
                         std::int64_t q) const {
    double total = 0;
    for (const RelevanceTerm& term : rule.table()) {
      if (term.group != group) continue;
      double sum = bias(term, k);
      for_each_tap(params, x.shape, k, p, q,
                   [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                     if (!inside && (term.sum == TermSum::kInside || term.input != InputMap::kOne))
                       return;
                     const double a = inside ? input_at(term.input, n, c, h, v) : 1.0;
                     sum += a * weight(term, k, i, r, s);
                   });
      total += term.sign * sum;
    }
    return total;
  }
};

bool opens(Gate gate, int group, double z0, double z1) {
  return gate == Gate::kNone || (group == 0 ? z0 + z1 > 0 : z0 + z1 < 0);
}

// epsilon of every image: the rule's, or its multiple of the root mean square of Z.
double absolute_epsilon(const RelevanceRule& rule, const Tensor<double>& z, std::int64_t n) {
  const auto epsilon = static_cast<double>(rule.epsilon);
  if (rule.stabilizer != Stabilizer::kRelative) return epsilon;
  const std::int64_t size = z.shape.count_from(1);
  double squares = 0;
  for (std::int64_t i = 0; i < size; ++i)
    squares += z.view()[n * size + i] * z.view()[n * size + i];
  return epsilon * std::sqrt(squares / static_cast<double>(size));
}

}  // namespace

void relevance_linear(const ConvolutionParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, const Bounds& bounds) {
  fill(r_bottom, 0);
  const Layer layer{params, rule, x, w, b, bounds};
  std::vector<Tensor<double>> Z;
  for (int group = 0; group < rule.groups; ++group) {
    Z.emplace_back(r_top.shape);
    if (rule.stabilizer == Stabilizer::kUndivided) continue;
    for_each_element(r_top.shape, [&](auto n, auto k, auto p, auto q) {
      Z.back().view()(n, k, p, q) = layer.Z(group, n, k, p, q);
    });
  }
  for_each_element(r_top.shape, [&](auto n, auto k, auto p, auto q) {
    for (int group = 0; group < rule.groups; ++group) {
      const auto g = static_cast<std::size_t>(group);
      if (!opens(rule.gate, group, Z.front().view()(n, k, p, q), Z.back().view()(n, k, p, q)))
        continue;
      const double S = rule.coefficient[g] * stabilized_quotient(rule.stabilizer, r_top(n, k, p, q),
                                                                 Z[g].view()(n, k, p, q),
                                                                 absolute_epsilon(rule, Z[g], n));
      for (const RelevanceTerm& term : rule.table()) {
        if (term.group != group) continue;
        for_each_tap(params, x.shape, k, p, q,
                     [&](auto c, auto i, auto r, auto s, auto h, auto v, bool inside) {
                       if (inside)
                         r_bottom(n, c, h, v) += term.sign *
                                                 layer.input_at(term.input, n, c, h, v) *
                                                 layer.weight(term, k, i, r, s) * S;
                     });
      }
    }
  });
}

// An inner product is a convolution with one tap per input, over an image of one pixel.
void relevance_linear(const InnerProductParams& params, const RelevanceRule& rule, Input x, Input w,
                      Input b, Input r_top, Output r_bottom, const Bounds& bounds) {
  const std::int64_t images = x.shape.n(), inputs = x.shape.count_from(1);
  const Shape flat{images, inputs};
  relevance_linear(ConvolutionParams{.outputs = params.outputs}, rule, {x.data, flat},
                   {w.data, {params.outputs, inputs}}, b, r_top, {r_bottom.data, flat},
                   {{bounds.low.data, {1, inputs}}, {bounds.high.data, {1, inputs}}});
}

}  // namespace fovea::reference
