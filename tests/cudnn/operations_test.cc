// The operations against the reference. The stand-in computes what descriptors and arguments say,
// so that a wrong extent, stride, order of weights, workspace or call shows in the numbers; whether
// the libraries themselves agree on a GPU is for the tests of every device (tests/kernels) to say
// there.
#include "kernels/reference/ops.h"
#include "tests/cudnn/fake_runtime.h"
#include "tests/support/compare.h"
#include "tests/support/op_problem.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

// Integers from -4 to 4: exact in bf16, and so are sums of their products in single precision.
Tensor<float> integers(const Shape& shape, int seed) {
  Tensor<float> tensor = random_tensor<float>(shape, static_cast<std::uint64_t>(seed));
  for (float& value : tensor.values) value = std::round(4 * value);
  return tensor;
}

void expect_near(const std::vector<Tensor<float>>& actual,
                 const std::vector<Tensor<float>>& expected, double relative, const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto& e = expected[i].values;
    EXPECT_TRUE(all_near(actual[i].values, e, relative * largest_magnitude(e))) << what << " " << i;
  }
}

// Under every condition of a planner, and nothing of the libraries is left behind.
void compare(const FakeRuntime& fake, const char* name, OpProblem problem, double relative) {
  const int before = fake.live();
  const Implementation& implementation = library_implementation(name);
  const OpInputs inputs = inputs_of(problem, integers);
  const auto run = [&](RunConditions conditions) {
    ASSERT_EQ(implementation.supports(problem), "");
    const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs, conditions);
    conditions.device = "emulated";
    const OpOutputs actual = run_op(problem, implementation, inputs, conditions);
    expect_near(actual.tops, expected.tops, relative, "top");
    expect_near(actual.bottom_grads, expected.bottom_grads, relative, "bottom gradient");
    expect_near(actual.param_grads, expected.param_grads, relative, "parameter gradient");
  };
  run({});
  run({.wants_param_grads = false});
  for (std::size_t k = 0; k < inputs.params.size(); ++k) run({.frozen_param = k});
  problem.propagate = {false};
  run({});
  problem.training = false;
  run({});
  EXPECT_EQ(fake.live(), before) << "handles or descriptors left";
}

struct Layer {
  std::string name;  // why the shape exists
  OpParams params;
  Shape x;
  bool relu = false;
};
void PrintTo(const Layer& layer, std::ostream* out) { *out << layer.name; }

class CudnnConvolution : public testing::TestWithParam<Layer> {
 protected:
  FakeRuntime fake_;
};

TEST_P(CudnnConvolution, EqualsTheReference) {
  const auto& [name, params, x, relu] = GetParam();
  fake_.set("workspace", 1000);
  for (const int fuses : {1, 0}) {
    fake_.set("fuses", fuses);
    SCOPED_TRACE(fuses ? "fused" : "not fused");
    compare(fake_, "cudnn:convolution", op_problem(params, x, relu), 0);
  }
}

TEST_P(CudnnConvolution, InBf16EqualsTheReference) {
  const auto& [name, params, x, relu] = GetParam();
  OpProblem problem = op_problem(params, x, relu);
  problem.precision = Precision::kBf16;
  const auto& p = std::get<ConvolutionParams>(params);
  if (x.c() / p.groups % 8 != 0 || p.outputs / p.groups % 8 != 0) {
    EXPECT_EQ(library_implementation("cudnn:convolution_bf16").supports(problem),
              "channels that are no multiple of 8");
    return;
  }
  fake_.set("workspace", 1000);
  compare(fake_, "cudnn:convolution_bf16", problem, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Layers, CudnnConvolution,
    testing::Values(
        Layer{"first_layer_strided",
              ConvolutionParams{.outputs = 8, .kernel = {7, 7}, .stride = {4, 4}},
              {2, 3, 19, 15},
              true},
        Layer{"five_by_five_in_groups",
              ConvolutionParams{.outputs = 16, .kernel = {5, 5}, .pad = {2, 2}, .groups = 2},
              {2, 16, 6, 5},
              true},
        Layer{"one_by_one", ConvolutionParams{.outputs = 16}, {2, 24, 4, 3}, true},
        Layer{"pixels_that_no_window_reaches",
              ConvolutionParams{.outputs = 8, .kernel = {3, 3}, .stride = {2, 2}},
              {1, 8, 6, 8}},
        Layer{"without_bias",
              ConvolutionParams{.outputs = 8, .kernel = {3, 3}, .pad = {1, 1}, .bias = false},
              {1, 8, 5, 4}},
        Layer{"without_bias_with_relu",
              ConvolutionParams{.outputs = 8, .kernel = {3, 3}, .bias = false},
              {1, 8, 5, 4},
              true},
        Layer{"no_extent_equals_another",
              ConvolutionParams{.outputs = 5, .kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1}},
              {2, 7, 8, 9},
              true}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(CudnnInnerProduct, EqualsTheReference) {
  const FakeRuntime fake;
  const char* const name = "cublas:inner_product";
  compare(fake, name, op_problem(InnerProductParams{.outputs = 24}, {3, 50}, true), 0);
  compare(fake, name, op_problem(InnerProductParams{.outputs = 10}, {2, 20, 4, 3}), 0);
  compare(fake, name, op_problem(InnerProductParams{.outputs = 7, .bias = false}, {1, 9}), 0);
}

TEST(CudnnPooling, EqualsTheReference) {
  const FakeRuntime fake;
  const PoolingParams average{
      .mode = PoolingMode::kAverage, .kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 0}};
  const PoolingParams global{.mode = PoolingMode::kAverage, .global = true};
  compare(fake, "cudnn:pooling", op_problem(average, {2, 5, 7, 6}), 1e-6);
  compare(fake, "cudnn:pooling", op_problem(global, {2, 8, 7, 7}), 1e-6);
  // Maxima in inference alone.
  OpProblem maxima = op_problem(PoolingParams{.kernel = {3, 3}, .pad = {1, 1}}, {2, 5, 6, 4});
  maxima.training = false;
  const OpInputs inputs = inputs_of(maxima, integers);
  EXPECT_EQ(run_op(maxima, library_implementation("cudnn:pooling"), inputs, {.device = "emulated"})
                .tops[0]
                .values,
            run_op(maxima, kReferenceImplementation, inputs).tops[0].values);
}

TEST(CudnnLrn, EqualsTheReference) {
  const FakeRuntime fake;
  const LrnParams params{.size = 5, .alpha = 0.5F, .beta = 0.75F, .k = 2};
  compare(fake, "cudnn:lrn", op_problem(params, {2, 11, 3, 4}), 1e-5);
  compare(fake, "cudnn:lrn", op_problem(params, {1, 2, 3, 3}), 1e-5);
}

TEST(CudnnSoftmax, EqualsTheReference) {
  const FakeRuntime fake;
  compare(fake, "cudnn:softmax", op_problem(SoftmaxParams{}, {3, 8}), 1e-5);
  compare(fake, "cudnn:softmax", op_problem(SoftmaxParams{}, {2, 5, 3, 2}), 1e-5);
}

// Engines are named in the order: sums in no fixed order; tensor cores; Winograd; plain.
TEST(CudnnConvolutionPlan, TakesTheFirstEngineThatKeepsToWhatIsAskedFor) {
  const FakeRuntime fake;
  OpProblem problem = op_problem(ConvolutionParams{.outputs = 8}, {1, 8, 2, 2});
  const auto engine_for = [&](Precision precision, bool exact_zeros) {
    problem.precision = precision, problem.exact_zeros = exact_zeros;
    const Implementation& implementation = library_implementation("cudnn:convolution");
    EXPECT_EQ(implementation.supports(problem), "");
    (void)run_op(problem, implementation, inputs_of(problem, integers), {.device = "emulated"});
    return fake.get("engine");
  };
  EXPECT_EQ(engine_for(Precision::kTf32, false), 1);
  EXPECT_EQ(engine_for(Precision::kFp32, false), 2);
  EXPECT_EQ(engine_for(Precision::kFp32, true), 3);
}

TEST(CudnnConvolutionPlan, IsDeclinedWithAReasonWhereNoEngineIsLeft) {
  const FakeRuntime fake;
  OpProblem problem = op_problem(ConvolutionParams{.outputs = 8}, {1, 8, 2, 2});
  const Implementation& implementation = library_implementation("cudnn:convolution");
  fake.set("engines", 1);  // the one without a fixed order
  const std::string reason = implementation.supports(problem);
  fake.set("engines", 0);
  EXPECT_EQ(reason, "cuDNN: no engine keeps to what is asked for");
  problem.bottoms[0] = {1, 8, 3, 3}, problem.tops[0] = {1, 8, 3, 3};
  fake.set("workspace", 1 << 30);
  EXPECT_EQ(implementation.supports(problem), "cuDNN: no engine keeps to what is asked for");
}

TEST(CudnnConvolutionPlan, AFailureOfTheLibraryIsAnError) {
  const FakeRuntime fake;
  OpProblem problem = op_problem(SoftmaxParams{}, {3, 8});
  problem.training = false;
  fake.set("fail", 1);
  EXPECT_THROW((void)run_op(problem, library_implementation("cudnn:softmax"),
                            inputs_of(problem, integers), {.device = "emulated"}),
               Error);
}

}  // namespace
}  // namespace fovea
