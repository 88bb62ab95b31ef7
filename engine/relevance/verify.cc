#include "engine/relevance/verify.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/pooling.h"
#include "kernels/reference/relevance_linear.h"
#include "kernels/reference/relevance_other.h"
#include "kernels/reference/taps.h"

namespace fovea {
namespace {

Tensor<double> in_double(const Shape& shape, const std::vector<float>& values) {
  return {shape, std::vector<double>(values.begin(), values.end())};
}

// With the shape (1, C, H, W) of one image, whatever the batch. Empty where the rule does not name
// bounds: those of the net's input do not fit to other layers.
Tensor<double> bound_of(const VerifyProblem& p, Tensor<float> InputBounds::*member) {
  if (!p.bounds || !needs_bounds(*p.rule)) return {};
  Shape shape = p.values[0].shape;
  shape[0] = 1;
  return in_double(shape, (p.bounds->*member).values);
}

Tensor<double> linear(const VerifyProblem& p) {
  const Tensor<double> x = in_double(p.values[0]), r = in_double(p.tops[0]),
                       w = in_double(p.node->params[0].shape, p.weight),
                       b = in_double(Shape{std::ssize(p.bias)}, p.bias),
                       low = bound_of(p, &InputBounds::low), high = bound_of(p, &InputBounds::high);
  Tensor<double> result(x.shape);
  const reference::Input bias = p.bias.empty() ? reference::Input{} : b.view();
  if (const auto* op = std::get_if<ConvolutionParams>(&p.node->op)) {
    reference::relevance_linear(*op, *p.rule, x.view(), w.view(), bias, r.view(), result.view(),
                                {low.view(), high.view()});
  } else {
    reference::relevance_linear(std::get<InnerProductParams>(p.node->op), *p.rule, x.view(),
                                w.view(), bias, r.view(), result.view(), {low.view(), high.view()});
  }
  return result;
}

Tensor<double> pooling(const PoolingParams& op, const VerifyProblem& p) {
  const Tensor<double> x = in_double(p.values[0]), r = in_double(p.tops[0]);
  Tensor<double> result(x.shape), y(r.shape);
  const bool max = op.mode == PoolingMode::kMax;
  if (max ? p.other.max_pooling == MaxPoolingRule::kAverage
          : p.other.average_pooling != AveragePoolingRule::kGradient) {
    reference::relevance_average_pooling(op, p.other.average_pooling, x.view(), r.view(),
                                         result.view());
    return result;
  }
  std::vector<std::int64_t> argmax(r.values.size());
  reference::pooling(op, x.view(), y.view(), argmax);
  reference::pooling_gradient(op, r.view(), argmax, result.view());
  return result;
}

Tensor<double> relu(ReluRule rule, const VerifyProblem& p) {
  Tensor<double> r = in_double(p.tops[0]);
  for (std::size_t i = 0; i < r.values.size(); ++i) {
    const bool active = p.values[0].values[i] > 0, positive = r.values[i] > 0;
    const bool passes = rule == ReluRule::kPass || (rule == ReluRule::kPositive && positive) ||
                        (rule == ReluRule::kGradient && active) ||
                        (rule == ReluRule::kGuided && active && positive);
    if (!passes) r.values[i] = 0;
  }
  return r;
}

// Of every image its channels, bottom by bottom.
std::vector<Tensor<double>> slices(const VerifyProblem& p) {
  std::vector<Tensor<double>> parts;
  for (const Tensor<float>& bottom : p.bottoms)
    parts.push_back({bottom.shape, std::vector<double>(bottom.values.size())});
  auto from = p.tops[0].values.begin();
  for (std::int64_t n = 0; n < p.tops[0].shape.n(); ++n) {
    for (Tensor<double>& part : parts) {
      const std::int64_t count = part.shape.count_from(1);
      std::copy_n(from, count, part.values.begin() + n * count);
      from += count;
    }
  }
  return parts;
}

}  // namespace

bool needs_bounds(const RelevanceRule& rule) {
  return std::ranges::any_of(rule.table(), [](const RelevanceTerm& term) {
    return term.input == InputMap::kLow || term.input == InputMap::kHigh;
  });
}

std::vector<Tensor<double>> reference_relevance(const VerifyProblem& p) {
  const OpParams& op = p.node->op;
  if (p.rule) return {linear(p)};
  if (const auto* pool = std::get_if<PoolingParams>(&op)) return {pooling(*pool, p)};
  if (std::holds_alternative<ReluParams>(op)) return {relu(p.other.relu, p)};
  if (const auto* lrn = std::get_if<LrnParams>(&op)) {
    const Tensor<double> x = in_double(p.values[0]), r = in_double(p.tops[0]);
    Tensor<double> result(x.shape);
    reference::relevance_lrn(*lrn, p.other.lrn, x.view(), r.view(), result.view());
    return {result};
  }
  if (std::holds_alternative<SplitParams>(op)) {
    Tensor<double> sum(p.tops[0].shape);
    for (const Tensor<float>& top : p.tops)
      std::ranges::transform(sum.values, top.values, sum.values.begin(), std::plus<double>());
    return {sum};
  }
  if (const auto* concat = std::get_if<ConcatParams>(&op); concat && concat->axis == 1) {
    return slices(p);
  }
  if (std::holds_alternative<DropoutParams>(op)) return {in_double(p.tops[0])};
  throw Error(str("no --verify for layer ", p.node->name));
}

StepError verify_step(const VerifyProblem& problem) {
  const std::vector<Tensor<double>> expected = reference_relevance(problem);
  double worst = 0, largest = 0, differences = 0, magnitudes = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t k = 0; k < expected[i].values.size(); ++k) {
      const double e = expected[i].values[k];
      double difference = std::abs(static_cast<double>(problem.bottoms[i].values[k]) - e);
      if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
      worst = std::max(worst, difference), largest = std::max(largest, std::abs(e));
      differences += difference, magnitudes += std::abs(e);
    }
  }
  const auto relative = [](double error, double size) { return error == 0 ? 0 : error / size; };
  return {.layer = problem.node->name,
          .largest = relative(worst, largest),
          .l1 = relative(differences, magnitudes)};
}

}  // namespace fovea
