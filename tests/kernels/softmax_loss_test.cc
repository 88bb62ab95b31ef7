// The loss with class weights, smoothed and ordinal targets: closed forms of the reference, and
// every implementation beside it.
#include "kernels/reference/softmax_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/backend/registry.h"
#include "kernels/reference/ops.h"
#include "tests/support/op_runner.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// Of scores log(p) the softmax is p.
Tensor<double> scores_of(const std::vector<double>& p, std::int64_t classes) {
  Tensor<double> x(Shape{std::ssize(p) / classes, classes});
  for (std::size_t i = 0; i < p.size(); ++i) x.values[i] = std::log(p[i]);
  return x;
}

double loss_of(const SoftmaxLossParams& params, const Tensor<double>& x,
               const std::vector<double>& labels) {
  const Tensor<double> l(Shape{std::ssize(labels)}, labels);
  return reference::softmax_loss(params, x.view(), l.view());
}

TEST(SoftmaxLoss, WeightsDivideByTheirSum) {
  const Tensor<double> x = scores_of({0.5, 0.5, 0.25, 0.75}, 2);
  EXPECT_NEAR(loss_of({.class_weights = {1, 3}}, x, {0, 1}),
              (-std::log(0.5) - 3 * std::log(0.75)) / 4, 1e-12);
  EXPECT_NEAR(loss_of({.normalize = false, .class_weights = {1, 3}}, x, {0, 1}),
              (-std::log(0.5) - 3 * std::log(0.75)) / 2, 1e-12);
  EXPECT_EQ(loss_of({.class_weights = {0, 3}}, x, {0, 0}), 0);
}

TEST(SoftmaxLoss, SmoothingSpreadsItsShareOverAllClasses) {
  const Tensor<double> x = scores_of({0.125, 0.25, 0.625}, 3);
  const double third = 0.3 / 3;
  EXPECT_NEAR(loss_of({.label_smoothing = 0.3F}, x, {1}),
              -(0.7 + third) * std::log(0.25) - third * (std::log(0.125) + std::log(0.625)), 1e-7);
}

TEST(SoftmaxLoss, OrdinalTargetsAreAGaussianOverTheClasses) {
  const Tensor<double> x = scores_of({0.125, 0.25, 0.5, 0.125}, 4);
  const double one = std::exp(-0.5), two = std::exp(-2.0), sum = 1 + 2 * one + two;
  EXPECT_NEAR(
      loss_of({.ordinal_sigma = 1}, x, {1}),
      -(one * std::log(0.125) + std::log(0.25) + one * std::log(0.5) + two * std::log(0.125)) / sum,
      1e-12);
}

struct Variant {
  std::string name;
  SoftmaxLossParams params;
  Shape shape;
};

class LossImplementations : public testing::TestWithParam<Variant> {};
TEST_P(LossImplementations, EqualTheReference) {
  const auto& [name, params, shape] = GetParam();
  Tensor<float> labels(shape.rank() == 4 ? Shape{shape.n(), 1, shape.h(), shape.w()}
                                         : Shape{shape.n()});
  for (std::size_t i = 0; i < labels.values.size(); ++i)
    labels.values[i] = static_cast<float>(i * 5 % static_cast<std::size_t>(shape.c()));
  if (params.has_ignore_label) labels.values[1] = static_cast<float>(params.ignore_label);
  const OpProblem problem{.params = params,
                          .bottoms = {shape, labels.shape},
                          .tops = {Shape{}},
                          .bottom_layouts = {Layout::kPlain, Layout::kPlain},
                          .propagate = {true, false},
                          .training = true};
  const OpInputs inputs{{random_tensor<float>(shape, 3), labels}, {}, {}};
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  for (const std::string_view device : known_devices()) {
    // The plain loops take it everywhere, the device's own kernels where there are some.
    const bool own = device == "emulated" || device == "cuda";
    int taken = 0;
    for (const Implementation* implementation : implementations(device, problem.params)) {
      SCOPED_TRACE(implementation->name);
      if (!implementation->supports(problem).empty()) continue;
      ++taken;
      const OpOutputs actual = run_op(problem, *implementation, inputs);
      EXPECT_NEAR(actual.tops[0].values[0], expected.tops[0].values[0],
                  2e-6 * std::abs(expected.tops[0].values[0]));
      for (std::size_t i = 0; i < actual.bottom_grads[0].values.size(); ++i)
        ASSERT_NEAR(actual.bottom_grads[0].values[i], expected.bottom_grads[0].values[i], 1e-6)
            << i;
    }
    EXPECT_EQ(taken, 1) << device << (own ? ": its kernel" : ": the reference");
  }
}
INSTANTIATE_TEST_SUITE_P(
    Variants, LossImplementations,
    testing::Values(
        Variant{"weighted", {.class_weights = {0.5F, 3, 0, 2, 1, 1, 1, 0.125F}}, {7, 8}},
        Variant{"smoothed", {.label_smoothing = 0.1F}, {5, 2}},
        Variant{"ordinal", {.ordinal_sigma = 0.8F}, {6, 8}},
        Variant{"ordinal_more_classes_than_a_warp", {.ordinal_sigma = 6}, {5, 70}},
        Variant{"everything_per_pixel",
                {.loss_weight = 0.3F,
                 .has_ignore_label = true,
                 .ignore_label = 255,
                 .normalize = false,
                 .class_weights = {1, 2, 0.25F},
                 .label_smoothing = 0.2F,
                 .ordinal_sigma = 1.25F},
                {2, 3, 3, 2}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(LossImplementations, SayWhenThereAreMoreWeightsThanTheyTake) {
  const OpProblem problem{.params = SoftmaxLossParams{.class_weights = std::vector(65, 1.0F)},
                          .bottoms = {Shape{2, 65}, Shape{2}},
                          .tops = {Shape{}}};
  for (const std::string_view device : known_devices()) {
    for (const Implementation* implementation : implementations(device, problem.params)) {
      if (implementation->name.ends_with(":softmax_loss")) {
        EXPECT_EQ(implementation->supports(problem), "more than 64 class weights");
      }
    }
  }
}

}  // namespace
}  // namespace fovea
