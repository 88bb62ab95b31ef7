// The relevance tables against closed forms, written a second time straight from the definitions
// of the rules: per output neuron, over a list of its contributions w_ij x_i.
#include <gtest/gtest.h>

#include <functional>

#include "engine/relevance/rule_tables.h"
#include "kernels/reference/pooling.h"
#include "kernels/reference/relevance_linear.h"
#include "kernels/reference/relevance_other.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

using Values = std::vector<double>;

// How one neuron with relevance R shares among its contributions t (padding taps have t = 0).
using ClosedForm = std::function<Values(const Values& t, double bias, double R)>;

double positive(double v) { return std::max(v, 0.0); }
double negative(double v) { return std::min(v, 0.0); }

ClosedForm epsilon_form(double epsilon) {
  return [=](const Values& t, double bias, double R) {
    double z = bias;
    for (const double v : t) z += v;
    const double s = z > 0 ? R / (z + epsilon) : z < 0 ? R / (z - epsilon) : R;
    Values shares;
    for (const double v : t) shares.push_back(v * s);
    return shares;
  };
}

ClosedForm alpha_beta_form(double beta) {
  return [=](const Values& t, double bias, double R) {
    double P = positive(bias), N = negative(bias);
    for (const double v : t) P += positive(v), N += negative(v);
    Values shares;
    for (const double v : t) {
      const double gain = P == 0 ? 0 : (1 + beta) * positive(v) * R / P;
      const double loss = N == 0 ? 0 : beta * negative(v) * R / N;
      shares.push_back(gain - loss);
    }
    return shares;
  };
}

// z+ of one sign of x and without the bias.
ClosedForm excitation_form() {
  return [](const Values& t, double, double R) {
    double P = 0;
    for (const double v : t) P += positive(v);
    Values shares;
    for (const double v : t) shares.push_back(P == 0 ? 0 : positive(v) * R / P);
    return shares;
  };
}

// Andeol et al. 2021, eq. 6, over contributions: those that go with the sign of z count 1 + gamma.
ClosedForm gamma_form(double gamma) {
  return [=](const Values& t, double bias, double R) {
    double z = bias;
    for (const double v : t) z += v;
    const auto favoured = [&](double v) { return v + gamma * (z > 0 ? positive(v) : negative(v)); };
    double sum = favoured(bias);
    for (const double v : t) sum += favoured(v);
    Values shares;
    for (const double v : t) shares.push_back(z == 0 ? 0 : favoured(v) * R / sum);
    return shares;
  };
}

// The rules that look at nothing but w, or at nothing; t stands for w then.
ClosedForm w_square_form() {
  return [](const Values& w, double, double R) {
    double z = 0;
    for (const double v : w) z += v * v;
    Values shares;
    for (const double v : w) shares.push_back(z == 0 ? 0 : v * v * R / z);
    return shares;
  };
}
ClosedForm gradient_form() {
  return [](const Values& w, double, double R) {
    Values shares;
    for (const double v : w) shares.push_back(v * R);
    return shares;
  };
}
ClosedForm flat_toolbox_form(double divisor) {
  return [=](const Values& w, double, double R) { return Values(w.size(), R / divisor); };
}

struct Layer {
  ConvolutionParams params;
  Tensor<double> x, w, b, r;
};

Layer make_layer(const ConvolutionParams& params, const Shape& x, bool zeros) {
  Layer layer{params, random_tensor(x, 1), random_tensor(weight_shape(params, x), 2),
              random_tensor({params.outputs}, 3), random_tensor(output_shape(params, x), 4)};
  if (zeros) layer.x = with_zeros(layer.x), layer.w = with_zeros(layer.w);
  return layer;
}

// Padded input, contributions gathered per neuron: nothing of kernels/reference is used.
Tensor<double> by_closed_form(const Layer& layer, const ClosedForm& form, double padding = 0) {
  const auto& p = layer.params;
  const auto &x = layer.x, &w = layer.w, &b = layer.b, &r = layer.r;
  const std::int64_t group_inputs = x.shape.c() / p.groups, group_outputs = p.outputs / p.groups;
  Tensor<double> padded(
      {x.shape.n(), x.shape.c(), x.shape.h() + 2 * p.pad[0], x.shape.w() + 2 * p.pad[1]}),
      shares(padded.shape), result(x.shape);
  std::ranges::fill(padded.values, padding);
  const auto copy = [&](auto from, auto to) {
    for (std::int64_t n = 0; n < x.shape.n(); ++n)
      for (std::int64_t c = 0; c < x.shape.c(); ++c)
        for (std::int64_t h = 0; h < x.shape.h(); ++h)
          for (std::int64_t v = 0; v < x.shape.w(); ++v) to(n, c, h, v) = from(n, c, h, v);
  };
  const std::int64_t top = p.pad[0], left = p.pad[1];
  const auto inner = [&](TensorView<double> whole) {
    return
        [=](auto n, auto c, auto h, auto v) -> double& { return whole(n, c, h + top, v + left); };
  };
  copy(x.view(), inner(padded.view()));
  for (std::int64_t n = 0; n < r.shape.n(); ++n) {
    for (std::int64_t k = 0; k < r.shape.c(); ++k) {
      for (std::int64_t i = 0; i < r.shape.h(); ++i) {
        for (std::int64_t j = 0; j < r.shape.w(); ++j) {
          Values t;
          std::vector<double*> places;
          for (std::int64_t f = 0; f < w.shape.count_from(1); ++f) {
            const std::int64_t area = p.kernel[0] * p.kernel[1];
            const std::int64_t c = k / group_outputs * group_inputs + f / area;
            const std::int64_t h = i * p.stride[0] + f % area / p.kernel[1];
            const std::int64_t v = j * p.stride[1] + f % p.kernel[1];
            t.push_back(w.values[static_cast<std::size_t>(k * w.shape.count_from(1) + f)] *
                        padded.view()(n, c, h, v));
            places.push_back(&shares.view()(n, c, h, v));
          }
          const Values shared =
              form(t, b.values[static_cast<std::size_t>(k)], r.view()(n, k, i, j));
          for (std::size_t f = 0; f < t.size(); ++f) *places[f] += shared[f];
        }
      }
    }
  }
  copy(inner(shares.view()), result.view());
  return result;
}

struct RuleCase {
  RelevanceRule rule;
  ClosedForm form;
};
std::vector<RuleCase> rule_cases() {
  return {
      {epsilon_rule(0.125F), epsilon_form(0.125)}, {epsilon_rule(0), epsilon_form(0)},
      {alpha_beta_rule(1), alpha_beta_form(1)},    {alpha_beta_rule(0.5F), alpha_beta_form(0.5)},
      {gamma_rule(0.25F), gamma_form(0.25)},       {gamma_rule(0), epsilon_form(0)},
      {z_plus_rule(), alpha_beta_form(0)}};
}

// Rules that do not look at x: their contributions are those of x = 1, on padding too where the sum
// is over every tap.
struct BlindCase {
  RelevanceRule rule;
  ClosedForm form;
  double padding;
};
std::vector<BlindCase> blind_cases() {
  const ClosedForm flat = [](const Values& t, double, double R) {
    double inside = 0;
    for (const double v : t) inside += v != 0 ? 1 : 0;
    Values shares;
    for (const double v : t) shares.push_back(v != 0 ? R / inside : 0);
    return shares;
  };
  return {{w_square_rule(), w_square_form(), 0},
          {w_square_toolbox_rule(), w_square_form(), 1},
          {gradient_rule(), gradient_form(), 1},
          {flat_rule(), flat, 0},
          {flat_toolbox_rule(8), flat_toolbox_form(8), 1}};  // 1/8 is exact in float
}

struct NamedLayer {
  std::string name;  // why the shape exists
  ConvolutionParams params;
  Shape x;
};

void PrintTo(const NamedLayer& layer, std::ostream* out) { *out << layer.name; }

class RelevanceTables : public testing::TestWithParam<NamedLayer> {};

TEST_P(RelevanceTables, EqualTheClosedForms) {
  const auto& [name, params, shape] = GetParam();
  for (const bool zeros : {false, true}) {
    const Layer layer = make_layer(params, shape, zeros);
    for (const auto& [rule, form] : rule_cases()) {
      Tensor<double> actual(shape, 7.0);
      reference::relevance_linear(params, rule, layer.x.view(), layer.w.view(), layer.b.view(),
                                  layer.r.view(), actual.view());
      const Values e = by_closed_form(layer, form).values;
      EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e))) << rule.name;
      EXPECT_GT(largest_magnitude(e), 1e-3);
    }
  }
}

TEST_P(RelevanceTables, ThatDoNotLookAtXEqualTheClosedForms) {
  const auto& [name, params, shape] = GetParam();
  Layer layer = make_layer(params, shape, false);
  for (const auto& [rule, form, padding] : blind_cases()) {
    Tensor<double> actual(shape, 7.0);
    reference::relevance_linear(params, rule, layer.x.view(), layer.w.view(), layer.b.view(),
                                layer.r.view(), actual.view());
    Layer ones = layer;
    std::ranges::fill(ones.x.values, 1);
    const Values e = by_closed_form(ones, form, padding).values;
    EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e))) << rule.name;
    EXPECT_GT(largest_magnitude(e), 1e-3);
  }
}

TEST(RelevanceTable, OfZBoxBoundsThePixels) {
  const Tensor<double> x(Shape{1, 2}, {1, -2}), w(Shape{1, 2}, {2, -1}), b(Shape{1}, {3.0}),
      r(Shape{1, 1}, 4.0), low(Shape{1, 2}, {-10, -20}), high(Shape{1, 2}, {245, 235});
  Tensor<double> bottom(x.shape);
  const InnerProductParams params{.outputs = 1};
  // w x - w+ l - w- h: 2 + 20, and 2 + 235; the Toolbox has b+ in the sum.
  reference::relevance_linear(params, z_box_rule(), x.view(), w.view(), b.view(), r.view(),
                              bottom.view(), {low.view(), high.view()});
  EXPECT_TRUE(all_near(bottom.values, Values{4 * 22 / 259.0, 4 * 237 / 259.0}, 1e-13));
  reference::relevance_linear(params, z_box_toolbox_rule(), x.view(), w.view(), b.view(), r.view(),
                              bottom.view(), {low.view(), high.view()});
  EXPECT_TRUE(all_near(bottom.values, Values{4 * 22 / 262.0, 4 * 237 / 262.0}, 1e-13));
}

TEST(RelevanceTable, OfZBoxHasNoBoundsOnPaddingWhereTheToolboxHas255) {
  // One tap in the image, one on padding: only the Toolbox's sum has -w- 255 of the latter.
  const ConvolutionParams params{.outputs = 1, .kernel = {1, 2}, .pad = {0, 1}, .bias = false};
  const Tensor<double> x(Shape{1, 1, 1, 1}, 5.0), w(Shape{1, 1, 1, 2}, {-1, 2}), l(x.shape, -100.0),
      h(x.shape, 155.0), r(Shape{1, 1, 1, 2}, {1, 0});
  Tensor<double> bottom(x.shape);
  const auto share = [&](const RelevanceRule& rule) {
    reference::relevance_linear(params, rule, x.view(), w.view(), {}, r.view(), bottom.view(),
                                {l.view(), h.view()});
    return bottom.values[0];
  };
  const double bracket = 2 * 5 + 2 * 100;
  EXPECT_NEAR(share(z_box_rule()), 1, 1e-13);
  EXPECT_NEAR(share(z_box_toolbox_rule()), bracket / (bracket + 255), 1e-13);
}

TEST(RelevanceTable, OfRelativeEpsilonIsInUnitsOfEachImagesRoot) {
  const Tensor<double> x(Shape{2, 1}, {1, 2}), w(Shape{2, 1}, {3, -4}), r(Shape{2, 2}, 1.0);
  Tensor<double> bottom(x.shape);
  reference::relevance_linear(InnerProductParams{.outputs = 2, .bias = false},
                              epsilon_relative_rule(0.25F), x.view(), w.view(), {}, r.view(),
                              bottom.view());
  const double e = 0.25 * std::sqrt((9 + 16) / 2.0);  // of image 0; image 1 has twice the z
  const Values expected{3 / (3 + e) + 4 / (4 + e), 6 / (6 + 2 * e) + 8 / (8 + 2 * e)};
  EXPECT_TRUE(all_near(bottom.values, expected, 1e-13));
}

TEST(RelevanceTable, OfExcitationIsZPlusWithoutBiasForInputsOfOneSign) {
  Layer layer = make_layer({.outputs = 3, .kernel = {2, 2}, .pad = {1, 0}}, {1, 2, 3, 3}, true);
  for (double& x : layer.x.values) x = std::abs(x);
  Tensor<double> actual(layer.x.shape, 7.0);
  reference::relevance_linear(layer.params, excitation_rule(), layer.x.view(), layer.w.view(),
                              layer.b.view(), layer.r.view(), actual.view());
  const Values e = by_closed_form(layer, excitation_form()).values;
  EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e)));
}

TEST(RelevanceTable, WithTheToolboxsGroupBiasReadsGroupZerosInEveryGroup) {
  const ConvolutionParams params{.outputs = 4, .kernel = {3, 3}, .pad = {1, 1}, .groups = 2};
  Layer layer = make_layer(params, {1, 4, 3, 3}, false);
  RelevanceRule rule = alpha_beta_rule(1);
  rule.group0_biases = true;
  Tensor<double> actual(layer.x.shape, 7.0);
  reference::relevance_linear(params, rule, layer.x.view(), layer.w.view(), layer.b.view(),
                              layer.r.view(), actual.view());
  layer.b.values[2] = layer.b.values[0], layer.b.values[3] = layer.b.values[1];
  const Values e = by_closed_form(layer, alpha_beta_form(1)).values;
  EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RelevanceTables,
    testing::Values(NamedLayer{"pixel", {.outputs = 3}, {2, 5, 1, 1}},
                    NamedLayer{"padding_loses_its_share",
                               {.outputs = 2, .kernel = {3, 3}, .pad = {1, 1}},
                               {1, 2, 4, 3}},
                    NamedLayer{"rows_and_columns_differ",
                               {.outputs = 2, .kernel = {2, 3}, .stride = {2, 1}, .pad = {0, 2}},
                               {2, 2, 5, 4}},
                    NamedLayer{"each_group_has_its_own_bias",
                               {.outputs = 4, .kernel = {3, 3}, .pad = {1, 1}, .groups = 2},
                               {1, 4, 3, 3}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(RelevanceTable, OfAnInnerProductIsThatOfAConvolutionOverTheWholeImage) {
  const Shape shape{2, 3, 2, 2};
  const Layer layer = make_layer({.outputs = 4, .kernel = {2, 2}}, shape, false);
  const InnerProductParams params{.outputs = 4};
  for (const auto& [rule, form] : rule_cases()) {
    Tensor<double> actual(shape, 7.0);
    reference::relevance_linear(params, rule, layer.x.view(), layer.w.view(), layer.b.view(),
                                layer.r.view(), actual.view());
    const Values e = by_closed_form(layer, form).values;
    EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e))) << rule.name;
  }
}

TEST(RelevanceTable, LeavesADeadNeuronAsTheToolboxDoes) {
  // z = 1 - 1 = 0: epsilon passes R undivided; alpha-beta has P = 1, N = -1.
  const Tensor<double> x(Shape{1, 2}, {1, 1}), w(Shape{1, 2}, {1, -1}), r(Shape{1, 1}, 3.0);
  Tensor<double> bottom(x.shape);
  const InnerProductParams params{.outputs = 1, .bias = false};
  reference::relevance_linear(params, epsilon_rule(0.1F), x.view(), w.view(), {}, r.view(),
                              bottom.view());
  EXPECT_EQ(bottom.values, (Values{3, -3}));
  reference::relevance_linear(params, alpha_beta_rule(1), x.view(), w.view(), {}, r.view(),
                              bottom.view());
  EXPECT_EQ(bottom.values, (Values{6, -3}));
}

TEST(RelevanceTable, WithoutNegativeContributionsAlphaBetaPassesAlphaTimesR) {
  const Tensor<double> x(Shape{1, 2}, {1, 3}), w(Shape{1, 2}, {1, 1}), r(Shape{1, 1}, 2.0);
  Tensor<double> bottom(x.shape);
  reference::relevance_linear(InnerProductParams{.outputs = 1, .bias = false}, alpha_beta_rule(1),
                              x.view(), w.view(), {}, r.view(), bottom.view());
  EXPECT_EQ(bottom.values, (Values{1, 3}));
}

TEST(RelevanceTable, ATermOfNegativeSignCountsAgainstItsGroupAndItsShare) {
  // P(x) w - N(x) w is |x| w: the epsilon rule of the layer that sees magnitudes.
  RelevanceRule rule = epsilon_rule(0.125F);
  rule.term = {{{InputMap::kPositive, WeightMap::kIdentity, BiasMap::kIdentity, 0, 1},
                {InputMap::kNegative, WeightMap::kIdentity, BiasMap::kZero, 0, -1}}};
  rule.terms = 2;
  Layer layer = make_layer({.outputs = 3, .kernel = {2, 2}}, {1, 2, 3, 3}, false);
  Tensor<double> actual(layer.x.shape, 7.0);
  reference::relevance_linear(layer.params, rule, layer.x.view(), layer.w.view(), layer.b.view(),
                              layer.r.view(), actual.view());
  for (double& x : layer.x.values) x = std::abs(x);
  const Values e = by_closed_form(layer, epsilon_form(0.125)).values;
  EXPECT_TRUE(all_near(actual.values, e, 1e-12 * largest_magnitude(e)));
}

TEST(RelevancePooling, SharesByValueAndOnlyTheToolboxLeavesAnEmptyWindowItsValues) {
  const PoolingParams p{.mode = PoolingMode::kAverage, .kernel = {1, 2}, .stride = {1, 2}};
  const Tensor<double> x(Shape{1, 1, 1, 5}, {1, 3, 2, -2, 4}), r(Shape{1, 1, 1, 3}, {8, 5, 6});
  Tensor<double> bottom(x.shape, 7.0);
  reference::relevance_average_pooling(p, AveragePoolingRule::kToolbox, x.view(), r.view(),
                                       bottom.view());
  EXPECT_EQ(bottom.values, (Values{2, 6, 2, -2, 6}));
  reference::relevance_average_pooling(p, AveragePoolingRule::kProportional, x.view(), r.view(),
                                       bottom.view());
  EXPECT_EQ(bottom.values, (Values{2, 6, 0, 0, 6}));
}

TEST(RelevancePooling, ToTheWinnerIsTheGradient) {
  const PoolingParams p{.kernel = {2, 2}, .stride = {2, 2}};
  const Tensor<double> x(Shape{1, 1, 2, 2}, {1, 4, 4, 2}), r(Shape{1, 1, 1, 1}, 5.0);
  Tensor<double> y(r.shape), bottom(x.shape, 7.0);
  std::vector<std::int64_t> argmax(1);
  reference::pooling(p, x.view(), y.view(), argmax);
  reference::pooling_gradient(p, r.view(), argmax, bottom.view());
  EXPECT_EQ(bottom.values, (Values{0, 5, 0, 0}));
}

TEST(RelevanceLrn, ByTheToolboxEqualsItsFormulaOverThreeChannels) {
  const LrnParams p{.size = 3, .alpha = 3, .beta = 1, .k = 1};  // alpha / n = 1
  const Values x{1, 2, -1}, r{1, 10, 100};
  Tensor<double> bottom(Shape{1, 3}, 7.0);
  const Tensor<double> xs(bottom.shape, x), rs(bottom.shape, r);
  reference::relevance_lrn(p, LrnRule::kToolbox, xs.view(), rs.view(), bottom.view());
  const Values S{1 + 1 + 4, 1 + 1 + 4 + 1, 1 + 4 + 1};
  const auto message = [&](std::size_t c) { return -2 * x[c] * r[c] / (S[c] * S[c]); };
  const Values expected{r[0] * x[0] / 2 + x[0] * x[0] * message(1),
                        r[1] * x[1] / 5 + x[1] * x[1] * (message(0) + message(2)),
                        r[2] * x[2] / 2 + x[2] * x[2] * message(1)};
  EXPECT_TRUE(all_near(bottom.values, expected, 1e-13));
}

TEST(RelevanceLrn, ByTheGradientIsTheLayersDerivative) {
  const LrnParams p{.size = 3, .alpha = 3, .beta = 1, .k = 1};
  const Values x{1, 2, 0}, r{1, 10, 100};
  Tensor<double> bottom(Shape{1, 3}, 7.0);
  const Tensor<double> xs(bottom.shape, x), rs(bottom.shape, r);
  reference::relevance_lrn(p, LrnRule::kGradient, xs.view(), rs.view(), bottom.view());
  // y_c = x_c / S_c, S = (6, 6, 5); dy_c'/dx_c = [c = c'] / S_c' - 2 x_c x_c' / S_c'^2.
  const Values expected{r[0] / 6 - 2.0 * (r[0] * 1 + r[1] * 2) / 36,
                        r[1] / 6 - 2 * 2.0 * (r[0] * 1 + r[1] * 2) / 36, r[2] / 5};
  EXPECT_TRUE(all_near(bottom.values, expected, 1e-13));
}

TEST(RelevanceLrn, ByTaylorDividesEveryOutputsMessagesByTheirSum) {
  const LrnParams p{.size = 3, .alpha = 3, .beta = 1, .k = 1};  // alpha / n = 1
  const Values x{1, 2, -1}, r{1, 10, 100};
  Tensor<double> bottom(Shape{1, 3}, 7.0);
  const Tensor<double> xs(bottom.shape, x), rs(bottom.shape, r);
  reference::relevance_lrn(p, LrnRule::kTaylor, xs.view(), rs.view(), bottom.view());
  // z_cc = x_c / (1 + x_c^2), z_c'c = -2 x_c x_c'^2 / S_c^2 with S = (6, 7, 6).
  const Values S{6, 7, 6};
  Values expected(3);
  for (std::size_t c = 0; c < 3; ++c) {
    Values z(3);
    for (std::size_t d = 0; d < 3; ++d) {
      if (c > d + 1 || d > c + 1) continue;
      z[d] = d == c ? x[c] / (1 + x[c] * x[c]) : -2 * x[c] * x[d] * x[d] / (S[c] * S[c]);
    }
    for (std::size_t d = 0; d < 3; ++d) expected[d] += r[c] * z[d] / (z[0] + z[1] + z[2]);
  }
  EXPECT_TRUE(all_near(bottom.values, expected, 1e-12));
}

TEST(RelevanceLrn, ByTaylorConservesAlsoForLargeAndDeadInputs) {
  for (const double size : {0.0, 1.0, 1e3}) {
    const Shape shape{2, 9, 2, 2};
    Tensor<double> x = with_zeros(random_tensor(shape, 1)), bottom(shape, 7.0);
    for (double& value : x.values) value *= size;
    const Tensor<double> r = random_tensor(shape, 2);
    reference::relevance_lrn({.size = 5, .alpha = 1, .beta = 0.75F, .k = 1}, LrnRule::kTaylor,
                             x.view(), r.view(), bottom.view());
    const auto sum = [](const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); };
    EXPECT_NEAR(sum(bottom.values), sum(r.values), 1e-11) << "inputs up to " << size;
  }
}

}  // namespace
}  // namespace fovea
