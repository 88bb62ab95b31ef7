// What the layer cases do not reach: every implementation of every device against the reference on
// shapes that fill and do not fill channel blocks, with a fused ReLU, with a frozen layer, without
// a gradient for the bottom, and with dropout that draws.
#include <gtest/gtest.h>

#include <optional>

#include "engine/backend/registry.h"
#include "kernels/reference/ops.h"
#include "tests/support/compare.h"
#include "tests/support/op_problem.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

struct NamedProblem {
  std::string name;  // why the problem exists
  OpParams params;
  Shape x;
  bool fused_relu = false;
  float slope = 0;
};

void PrintTo(const NamedProblem& named, std::ostream* out) { *out << named.name; }

OpProblem problem_of(const NamedProblem& named) {
  OpProblem problem = op_problem(named.params, named.x, named.fused_relu, named.slope);
  problem.seed = 11, problem.layer = 3;
  return problem;
}

// Rounding of sums in float grows with the root of their length; the longest here is about 1000.
void expect_near(const std::vector<Tensor<float>>& actual,
                 const std::vector<Tensor<float>>& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto& e = expected[i].values;
    EXPECT_TRUE(all_near(actual[i].values, e, 1e-5 * largest_magnitude(e) + 1e-7)) << what << i;
  }
}

void compare_with_reference(const Implementation& implementation, OpProblem problem,
                            const RunConditions& conditions) {
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  std::optional<OpOutputs> reference;  // slow: only where there is something to compare
  for (const Layout delivered :
       {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
    if (delivered != Layout::kPlain && problem.bottoms[0].rank() != 4) continue;
    problem.bottom_layouts = {delivered};
    if (!implementation.supports(problem).empty()) continue;
    if (!reference) reference = run_op(problem, kReferenceImplementation, inputs, conditions);
    const OpOutputs& expected = *reference;
    const bool may_be_in_place = implementation.create(problem)->in_place();
    for (const bool in_place : {false, true}) {
      if (in_place && !may_be_in_place) continue;
      SCOPED_TRACE(str(implementation.name, " from ", layout_name(delivered),
                       in_place ? " in place" : "", conditions.wants_param_grads ? "" : " frozen",
                       problem.propagate[0] ? "" : " without bottom gradient"));
      RunConditions with_place = conditions;
      with_place.in_place = in_place;
      const OpOutputs actual = run_op(problem, implementation, inputs, with_place);
      expect_near(actual.tops, expected.tops, "top ");
      expect_near(actual.bottom_grads, expected.bottom_grads, "bottom gradient ");
      expect_near(actual.param_grads, expected.param_grads, "parameter gradient ");
    }
  }
}

class Implementations : public testing::TestWithParam<std::tuple<NamedProblem, std::string>> {};

TEST_P(Implementations, EqualTheReference) {
  const auto& [named, device] = GetParam();
  OpProblem problem = problem_of(named);
  for (const Implementation* implementation : implementations(device, problem.params)) {
    problem.training = true;
    problem.propagate = {true};
    compare_with_reference(*implementation, problem, {.iteration = 5});
    compare_with_reference(*implementation, problem, {.wants_param_grads = false});
    for (std::size_t k = 0; k < inputs_of(problem, random_tensor<float>).params.size(); ++k)
      compare_with_reference(*implementation, problem, {.frozen_param = k});
    problem.propagate = {false};
    compare_with_reference(*implementation, problem, {});
    problem.training = false;
    compare_with_reference(*implementation, problem, {});
  }
}

std::vector<NamedProblem> problems() {
  const ConvolutionParams inception{.outputs = 16, .kernel = {3, 3}, .pad = {1, 1}};
  const ConvolutionParams wide{.outputs = 80, .kernel = {3, 3}, .pad = {1, 1}};
  const ConvolutionParams odd{.outputs = 37, .kernel = {3, 3}, .pad = {1, 1}};
  const ConvolutionParams no_bias{.outputs = 16, .kernel = {3, 3}, .pad = {1, 1}, .bias = false};
  const ConvolutionParams grouped{.outputs = 32, .kernel = {5, 5}, .pad = {2, 2}, .groups = 2};
  const ConvolutionParams five{.outputs = 48, .kernel = {5, 5}, .pad = {2, 2}};
  const ConvolutionParams valid{.outputs = 144, .kernel = {5, 5}, .pad = {0, 1}};
  const LrnParams across{.size = 5, .alpha = 0.5F};
  const LrnParams within{.size = 3, .alpha = 0.5F, .region = LrnRegion::kWithinChannel};
  const PoolingParams pool{.kernel = {3, 3}, .stride = {2, 2}};
  const PoolingParams average{.mode = PoolingMode::kAverage, .kernel = {3, 3}, .pad = {1, 1}};
  return {
      {"convolution_fills_blocks", inception, {2, 32, 7, 6}},
      {"convolution_fills_blocks_with_relu", inception, {2, 32, 7, 6}, true},
      {"convolution_many_tiles_cut_at_the_edges", wide, {2, 48, 29, 18}, true},
      {"convolution_three_by_three_fills_no_block", odd, {3, 35, 13, 11}},
      {"convolution_narrower_than_a_tile", inception, {2, 32, 1, 2}},
      {"convolution_of_one_channel_one_column",
       ConvolutionParams{.outputs = 1, .kernel = {3, 1}},
       {2, 1, 9, 1}},
      {"convolution_without_bias", no_bias, {2, 32, 6, 6}},
      {"convolution_with_leaky_relu", inception, {1, 16, 5, 5}, true, 0.1F},
      {"convolution_first_layer_with_relu",
       ConvolutionParams{.outputs = 24, .kernel = {7, 7}, .stride = {4, 4}},
       {2, 3, 31, 27},
       true},
      {"convolution_channels_fill_no_block",
       ConvolutionParams{.outputs = 13, .kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1}},
       {2, 19, 8, 9},
       true},
      {"convolution_two_groups_with_relu", grouped, {2, 16, 6, 6}, true},
      {"convolution_groups_smaller_than_a_block",
       ConvolutionParams{.outputs = 6, .kernel = {3, 3}, .groups = 3},
       {1, 9, 5, 5}},
      {"convolution_five_by_five_with_relu", five, {2, 32, 13, 18}, true},
      {"convolution_five_by_five_more_than_a_slab", valid, {1, 16, 9, 7}},
      {"convolution_five_by_five_two_groups", grouped, {3, 32, 11, 5}, true, 0.1F},
      {"convolution_one_by_one", ConvolutionParams{.outputs = 32}, {2, 48, 5, 3}, true},
      {"inner_product_with_relu", InnerProductParams{.outputs = 24}, {3, 100}, true},
      {"inner_product_behind_a_convolution", InnerProductParams{.outputs = 10}, {2, 20, 4, 3}},
      {"inner_product_behind_whole_blocks", InnerProductParams{.outputs = 70}, {3, 32, 3, 2}, true},
      {"inner_product_without_bias", InnerProductParams{.outputs = 10, .bias = false}, {2, 33}},
      {"inner_product_leaky_one_image", InnerProductParams{.outputs = 17}, {1, 33}, true, 0.2F},
      {"max_pooling_fills_no_block", pool, {2, 19, 8, 7}},
      {"max_pooling_fills_blocks", pool, {1, 32, 9, 9}},
      {"max_pooling_padded", PoolingParams{.kernel = {3, 3}, .pad = {1, 1}}, {1, 16, 6, 5}},
      {"average_pooling_fills_no_block", average, {2, 19, 6, 5}},
      {"average_pooling_global",
       PoolingParams{.mode = PoolingMode::kAverage, .global = true},
       {2, 32, 7, 7}},
      {"lrn_across_fills_no_block", across, {2, 19, 5, 4}},
      {"lrn_across_fills_blocks", across, {1, 32, 9, 11}},
      {"lrn_across_fewer_channels_than_the_window", across, {2, 2, 3, 3}},
      {"lrn_within_fills_no_block", within, {1, 19, 6, 5}},
      {"relu_image", ReluParams{}, {2, 19, 5, 3}},
      {"relu_leaky_vector", ReluParams{.slope = 0.1F}, {3, 37}},
      {"dropout_vector", DropoutParams{.ratio = 0.4F}, {3, 37}},
      {"dropout_image", DropoutParams{.ratio = 0.5F}, {2, 19, 5, 3}},
      {"softmax_vector", SoftmaxParams{}, {3, 8}},
      {"softmax_image", SoftmaxParams{}, {2, 19, 3, 2}},
  };
}

std::vector<std::string> devices() {
  const auto known = known_devices();
  return {known.begin(), known.end()};
}

INSTANTIATE_TEST_SUITE_P(Problems, Implementations,
                         testing::Combine(testing::ValuesIn(problems()),
                                          testing::ValuesIn(devices())),
                         [](const auto& parameter) {
                           return std::get<0>(parameter.param).name + "_" +
                                  std::get<1>(parameter.param);
                         });

// The reference's own fused form, which the tests above take as given.
TEST(ReferenceOp, WithAFusedReluEqualsTheTwoOperations) {
  NamedProblem named{
      "", ConvolutionParams{.outputs = 3, .kernel = {3, 3}}, {2, 2, 5, 5}, true, 0.25F};
  const OpProblem fused = problem_of(named);
  named.fused_relu = false;
  const OpProblem convolution = problem_of(named);
  const OpProblem relu = problem_of({"", ReluParams{.slope = 0.25F}, fused.tops[0]});
  const OpInputs inputs = inputs_of(fused, random_tensor<float>);
  const auto run = [](const OpProblem& problem, const OpInputs& in) {
    return run_op(problem, kReferenceImplementation, in);
  };
  const OpOutputs z = run(convolution, inputs);
  const OpOutputs y = run(relu, {z.tops, {}, inputs.top_grads});
  const OpOutputs back = run(convolution, {inputs.bottoms, inputs.params, y.bottom_grads});
  const OpOutputs actual = run(fused, inputs);
  expect_near(actual.tops, y.tops, "top ");
  expect_near(actual.bottom_grads, back.bottom_grads, "bottom gradient ");
  expect_near(actual.param_grads, back.param_grads, "parameter gradient ");
}

TEST(ReferenceOp, DropoutOutsideOfTrainingIsACopy) {
  OpProblem problem = problem_of({"", DropoutParams{}, {2, 9}});
  problem.training = false;
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  const OpOutputs outputs = run_op(problem, kReferenceImplementation, inputs);
  EXPECT_EQ(outputs.tops[0].values, inputs.bottoms[0].values);
}

}  // namespace
}  // namespace fovea
