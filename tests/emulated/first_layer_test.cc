// First layers on tensor cores (kernels/cuda/linear_first_layer.cu) on the emulated device against
// the reference: the nets' shapes scaled down, and what breaks index arithmetic.
#include <gtest/gtest.h>

#include "tests/emulated/linear_support.h"

namespace fovea {
namespace {

struct FirstLayer {
  Layer layer;
  std::string precision;
};
void PrintTo(const FirstLayer& first, std::ostream* out) { *out << first.layer.name; }

std::vector<FirstLayer> first_layers() {
  const std::vector<Layer> both = {
      {"caffenet", conv(96, 11, 4, 0), {2, 3, 31, 27}, true},
      {"adiencenet", conv(96, 7, 4, 0), {2, 3, 23, 19}, true},
      {"googlenet", conv(64, 7, 2, 3), {2, 3, 15, 14}, true},
      {"not_square",
       ConvolutionParams{.outputs = 8, .kernel = {2, 5}, .stride = {3, 2}, .pad = {1, 2}},
       {3, 3, 9, 12},
       true,
       0.25F},
      {"one_channel", conv(8, 3, 2, 1), {1, 1, 9, 8}},
      {"four_channels", conv(16, 5, 4, 2), {2, 4, 13, 10}, true},
      {"two_channels_without_bias",
       ConvolutionParams{.outputs = 8, .kernel = {3, 3}, .stride = {2, 2}, .bias = false},
       {1, 2, 8, 9}},
      {"one_column",
       ConvolutionParams{.outputs = 8, .kernel = {5, 1}, .stride = {1, 2}},
       {2, 3, 9, 7}},
      {"one_row",
       ConvolutionParams{.outputs = 8, .kernel = {1, 6}, .stride = {2, 4}},
       {2, 3, 6, 14}},
      {"window_over_the_edge", conv(8, 5, 2, 4), {1, 3, 3, 3}, true},
      {"image_wider_than_its_windows", conv(8, 2, 4, 0), {2, 3, 9, 9}}};
  std::vector<FirstLayer> all;
  for (const Layer& layer : both) all.push_back({layer, "tf32"}), all.push_back({layer, "bf16"});
  all.push_back({{"vgg16", conv(64, 3, 1, 1), {2, 3, 9, 10}, true}, "tf32"});
  return all;
}

OpProblem first_problem(const Layer& layer) {
  OpProblem problem = problem_of(layer);
  problem.propagate = {false};
  problem.precision = Precision::kBf16;
  return problem;
}

class EmulatedFirstLayer : public testing::TestWithParam<FirstLayer> {
 protected:
  [[nodiscard]] static const Layer& layer() { return GetParam().layer; }
  const Implementation& implementation_ =
      emulated_implementation("emulated:first_layer_" + GetParam().precision);
};

TEST_P(EmulatedFirstLayer, IntegersComeOutExactlyInEveryOrderOfThreads) {
  const OpProblem problem = first_problem(layer());
  ASSERT_EQ(implementation_.supports(problem), "");
  expect_exact_in_every_order(problem, implementation_);
}

TEST_P(EmulatedFirstLayer, EveryTileAndShareGivesTheSame) {
  const OpProblem problem = first_problem(layer());
  const OpInputs inputs = inputs_of(problem, integers);
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  for (const int tile : {0, 1, 2}) {
    for (const int splits : {1, 3}) {
      SCOPED_TRACE(str("tile ", tile, ", splits ", splits));
      const emulated::PlanOverride plan(tile, splits);
      expect_equal(run_op(problem, implementation_, inputs), expected);
    }
  }
}

TEST_P(EmulatedFirstLayer, RandomValuesAreAsNearAsRoundedOperandsLet) {
  Layer linear = layer();
  linear.relu = false;  // rounding may change the sign of y, and with it whole gradients
  const OpProblem problem = first_problem(linear);
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  const OpOutputs actual = run_op(problem, implementation_, inputs);
  const double bound = rounding_bound(GetParam().precision);
  EXPECT_LE(distance(actual.tops[0], expected.tops[0]), bound);
  EXPECT_LE(distance(actual.param_grads[0], expected.param_grads[0]), bound);
}

INSTANTIATE_TEST_SUITE_P(Layers, EmulatedFirstLayer, testing::ValuesIn(first_layers()),
                         [](const auto& parameter) {
                           return parameter.param.layer.name + "_" + parameter.param.precision;
                         });

TEST(EmulatedFirstLayer, WhatItCannotDoIsSaid) {
  const auto reason = [](const std::string& precision, const Layer& layer, bool propagate = false) {
    OpProblem problem = first_problem(layer);
    problem.propagate = {propagate};
    return emulated_implementation("emulated:first_layer_" + precision).supports(problem);
  };
  const Layer good{"good", conv(8, 3, 2, 1), {1, 3, 9, 9}};
  EXPECT_EQ(reason("bf16", good), "");
  EXPECT_EQ(reason("bf16", good, true), "a gradient of the input");
  EXPECT_EQ(reason("bf16", {"stride", conv(8, 3, 1, 1), {1, 3, 9, 9}}), "windows between pieces");
  EXPECT_EQ(reason("tf32", {"channels", conv(8, 3, 2, 1), {1, 5, 9, 9}}),
            "more than four channels");
  EXPECT_EQ(reason("tf32", {"window", conv(8, 1, 1, 0), {1, 3, 9, 9}}), "no window");
  EXPECT_EQ(reason("tf32", {"outputs", conv(6, 3, 1, 1), {1, 3, 9, 9}}),
            "outputs in no whole pieces");
}

}  // namespace
}  // namespace fovea
