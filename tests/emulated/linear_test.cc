// Convolution and inner product on the emulated device against the reference: layers of the four
// nets scaled down, and what breaks index arithmetic. Tolerances as derived for single precision:
// integers whose sums stay below 2^24 come out exactly, random values within the rounding of sums.
#include <gtest/gtest.h>

#include "tests/emulated/linear_support.h"

namespace fovea {

namespace {

std::vector<Layer> layers() {
  return {
      {"adience_conv1", conv(12, 7, 4, 0), {1, 3, 23, 23}, true},
      {"adience_conv2", conv(16, 5, 1, 2), {1, 12, 7, 7}, true},
      {"adience_conv3", conv(24, 3, 1, 1), {2, 16, 5, 5}, true},
      {"caffenet_conv1", conv(12, 11, 4, 0), {1, 3, 27, 27}, true},
      {"caffenet_conv2_two_groups", conv(32, 5, 1, 2, 2), {1, 24, 7, 7}, true},
      {"caffenet_conv4_two_groups", conv(24, 3, 1, 1, 2), {2, 24, 5, 5}, true},
      {"caffenet_fc", InnerProductParams{.outputs = 20}, {5, 16, 3, 3}, true},
      {"vgg16_conv1_1", conv(8, 3, 1, 1), {1, 3, 9, 9}, true},
      {"vgg16_conv3", conv(72, 3, 1, 1), {1, 32, 6, 6}, true},
      {"googlenet_conv1", conv(8, 7, 2, 3), {1, 3, 17, 17}, true},
      {"googlenet_reduce", conv(20, 1, 1, 0), {2, 48, 5, 5}, true},
      {"googlenet_5x5", conv(32, 5, 1, 2), {1, 16, 5, 5}, true},
      {"googlenet_classifier", InnerProductParams{.outputs = 8}, {6, 64}},
      {"more_rows_than_a_tile", conv(8, 3, 1, 1), {3, 8, 9, 9}},
      {"channels_fill_no_piece", conv(7, 3, 1, 1), {2, 5, 6, 4}, true},
      {"one_channel", conv(1, 3, 1, 0), {2, 1, 5, 5}},
      {"width_one", ConvolutionParams{.outputs = 4, .kernel = {3, 1}}, {2, 4, 9, 1}},
      {"one_pixel", conv(8, 1, 1, 0), {1, 8, 1, 1}},
      {"not_square",
       ConvolutionParams{.outputs = 6, .kernel = {2, 3}, .stride = {3, 2}, .pad = {1, 0}},
       {2, 4, 8, 5},
       true,
       0.25F},
      {"window_over_the_edge", conv(4, 5, 2, 4), {1, 4, 3, 3}, true},
      {"stride_beyond_the_window", conv(4, 1, 3, 0), {1, 4, 8, 8}},
      {"more_classes_than_a_launch",
       ConvolutionParams{.outputs = 4, .kernel = {5, 5}, .stride = {5, 4}},
       {1, 4, 11, 10}},
      {"without_bias",
       ConvolutionParams{.outputs = 8, .kernel = {3, 3}, .pad = {1, 1}, .bias = false},
       {1, 8, 5, 5}},
      {"three_groups_of_odd_channels", conv(9, 3, 1, 1, 3), {2, 15, 5, 5}, true},
  };
}

class EmulatedLinear : public testing::TestWithParam<Layer> {
 protected:
  const Implementation& implementation_ = emulated_implementation("emulated:linear");
};

TEST_P(EmulatedLinear, IntegersComeOutExactlyInEveryOrderOfThreads) {
  expect_exact_in_every_order(problem_of(GetParam()), implementation_);
}

TEST_P(EmulatedLinear, RandomValuesAreAsNearAsRoundingOfSumsLets) {
  const OpProblem problem = problem_of(GetParam());
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  const OpOutputs actual = run_op(problem, implementation_, inputs);
  // Serial sums of K values drift by some 2^-24 sqrt(K) of what they sum.
  const auto near = [](const Tensor<float>& a, const Tensor<float>& e) {
    return all_near(a.values, e.values, 3e-6 * largest_magnitude(e.values));
  };
  EXPECT_TRUE(near(actual.tops[0], expected.tops[0]));
  EXPECT_TRUE(near(actual.bottom_grads[0], expected.bottom_grads[0]));
  for (std::size_t k = 0; k < expected.param_grads.size(); ++k)
    EXPECT_TRUE(near(actual.param_grads[k], expected.param_grads[k])) << k;
  const OpOutputs again = run_op(problem, implementation_, inputs);
  EXPECT_EQ(again.tops[0].values, actual.tops[0].values);
  EXPECT_EQ(again.bottom_grads[0].values, actual.bottom_grads[0].values);
  for (std::size_t k = 0; k < actual.param_grads.size(); ++k)
    EXPECT_EQ(again.param_grads[k].values, actual.param_grads[k].values);
}

INSTANTIATE_TEST_SUITE_P(Layers, EmulatedLinear, testing::ValuesIn(layers()),
                         [](const auto& parameter) { return parameter.param.name; });

// Small shapes choose small tiles: here every tile runs, with and without shares of k.
class EmulatedLinearTile : public testing::TestWithParam<std::tuple<int, int, std::string>> {};

TEST_P(EmulatedLinearTile, IntegersComeOutExactly) {
  const auto [tile, splits, precision] = GetParam();
  const Implementation& implementation = emulated_implementation("emulated:linear" + precision);
  for (const Layer& layer :
       {Layer{"windows", conv(136, 3, 1, 1), {1, 12, 13, 11}, true},
        Layer{"groups", conv(40, 3, 1, 1, 2), {1, 8, 9, 9}, true},
        Layer{"plain", conv(68, 1, 1, 0), {1, 36, 9, 8}, true},
        Layer{"strided", conv(8, 4, 2, 1), {1, 8, 9, 10}, true},
        Layer{"scalars", conv(5, 3, 2, 1), {1, 3, 12, 11}, true},
        Layer{"scalars_plain", InnerProductParams{.outputs = 5}, {3, 67}, true}}) {
    SCOPED_TRACE(layer.name);
    const OpProblem problem = problem_of(layer);
    const OpInputs inputs = inputs_of(problem, integers);
    const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
    const emulated::PlanOverride plan(tile, splits);
    expect_equal(run_op(problem, implementation, inputs), expected);
  }
}

// Tensor cores: integers of four bits are exact in tf32 and bf16.
class EmulatedTensorCores : public testing::TestWithParam<std::tuple<Layer, std::string>> {
 protected:
  [[nodiscard]] const Layer& layer() const { return std::get<0>(GetParam()); }
  const Implementation& implementation_ =
      emulated_implementation("emulated:linear_" + std::get<1>(GetParam()));
};

TEST_P(EmulatedTensorCores, IntegersComeOutExactlyInEveryOrderOfThreads) {
  expect_exact_in_every_order(problem_of(layer()), implementation_);
}

TEST_P(EmulatedTensorCores, RandomValuesAreAsNearAsRoundedOperandsLet) {
  // Without a ReLU: rounding may change the sign of y, and with it whole gradients.
  Layer linear = layer();
  linear.relu = false;
  const OpProblem problem = problem_of(linear);
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  const OpOutputs actual = run_op(problem, implementation_, inputs);
  const double bound = rounding_bound(std::get<1>(GetParam()));
  EXPECT_LE(distance(actual.tops[0], expected.tops[0]), bound);
  EXPECT_LE(distance(actual.bottom_grads[0], expected.bottom_grads[0]), bound);
  EXPECT_LE(distance(actual.param_grads[0], expected.param_grads[0]), bound);
  for (std::size_t k = 1; k < actual.param_grads.size(); ++k)  // the bias: sums alone
    EXPECT_LE(distance(actual.param_grads[k], expected.param_grads[k]), 1e-6);
  const OpOutputs again = run_op(problem, implementation_, inputs);
  EXPECT_EQ(again.tops[0].values, actual.tops[0].values);
  EXPECT_EQ(again.bottom_grads[0].values, actual.bottom_grads[0].values);
  EXPECT_EQ(again.param_grads[0].values, actual.param_grads[0].values);
}

// Operands rounded before: what is left is the rounding of sums.
TEST_P(EmulatedTensorCores, RoundedOperandsGiveWhatSinglePrecisionGives) {
  Layer linear = layer();
  linear.relu = false;
  const OpProblem problem = problem_of(linear);
  const OpInputs inputs = inputs_of(problem, [](const Shape& shape, std::uint64_t seed) {
    Tensor<float> t = random_tensor<float>(shape, seed);
    for (float& v : t.values) v = std::round(v * 128) / 128;  // seven bits behind the point
    return t;
  });
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  const OpOutputs actual = run_op(problem, implementation_, inputs);
  const auto near = [](const Tensor<float>& a, const Tensor<float>& e) {
    return all_near(a.values, e.values, 3e-6 * largest_magnitude(e.values));
  };
  EXPECT_TRUE(near(actual.tops[0], expected.tops[0]));
  EXPECT_TRUE(near(actual.bottom_grads[0], expected.bottom_grads[0]));
  EXPECT_TRUE(near(actual.param_grads[0], expected.param_grads[0]));
}

// The widest tile of the weights' gradients in tf32 takes 102 KiB of shared memory; GPUs for
// desktops have 99. Every bit is the same there.
TEST(EmulatedLinear, OfAGpuWithLittleSharedMemory) {
  const OpProblem problem = problem_of({"windows", conv(136, 3, 1, 1), {1, 12, 13, 11}, false});
  const OpInputs inputs = inputs_of(problem, random_tensor<float>);
  const emulated::PlanOverride widest(0, 1);
  for (const char* name : {"emulated:linear_tf32", "emulated:linear_bf16"}) {
    const Implementation& implementation = emulated_implementation(name);
    const OpOutputs expected = run_op(problem, implementation, inputs);
    const emulated::SharedLimitScope little(99 << 10);
    expect_equal(run_op(problem, implementation, inputs), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, EmulatedTensorCores,
                         testing::Combine(testing::ValuesIn(layers()),
                                          testing::Values("tf32", "bf16")),
                         [](const auto& parameter) {
                           return std::get<0>(parameter.param).name + "_" +
                                  std::get<1>(parameter.param);
                         });

INSTANTIATE_TEST_SUITE_P(Tiles, EmulatedLinearTile,
                         testing::Combine(testing::Range(0, 4), testing::Values(1, 3),
                                          testing::Values("", "_tf32", "_bf16")),
                         [](const auto& parameter) {
                           return "tile" + std::to_string(std::get<0>(parameter.param)) +
                                  "_splits" + std::to_string(std::get<1>(parameter.param)) +
                                  std::get<2>(parameter.param);
                         });

}  // namespace
}  // namespace fovea
