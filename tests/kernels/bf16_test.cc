// Convolution and inner product that multiply bf16 numbers, against the reference.
//
// A number rounded to bf16 (8 bits of significand, to nearest) is off by at most 2^-8 of itself, a
// product of two by 2^-7, and so a sum of products by 2^-7 of the sum S of their magnitudes. S is
// what the reference gives for the magnitudes of all operands. Rounding of the single-precision
// sums is covered by 1 % more.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/backend/registry.h"
#include "kernels/cpu/isa.h"
#include "kernels/reference/ops.h"
#include "tests/support/op_runner.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

struct Named {
  std::string name;  // why the problem exists
  OpParams params;
  Shape x, y, w;
  Layout layout = Layout::kPlain;
};
void PrintTo(const Named& named, std::ostream* out) { *out << named.name; }

using Tensors = std::vector<Tensor<float>>;

// Integers, all sums of which single precision holds exactly.
Tensors whole(Tensors tensors) {
  for (Tensor<float>& t : tensors) {
    for (float& value : t.values) value = std::round(8 * value);
  }
  return tensors;
}
Tensors magnitudes(Tensors tensors) {
  for (Tensor<float>& t : tensors) {
    for (float& value : t.values) value = std::abs(value);
  }
  return tensors;
}

void expect_within(const Tensors& actual, const Tensors& expected, const Tensors& sums,
                   double share, const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    for (std::size_t k = 0; k < actual[i].values.size(); ++k) {
      const double error = std::abs(static_cast<double>(actual[i].values[k]) -
                                    static_cast<double>(expected[i].values[k]));
      ASSERT_LE(error, share * static_cast<double>(sums[i].values[k]) + 1e-30)
          << what << i << " at " << k << ": " << actual[i].values[k] << ", expected "
          << expected[i].values[k];
      largest = std::max(largest, error);
    }
  }
  // Something was rounded: what is tested is not single precision under another name.
  EXPECT_EQ(largest > 0, share > 0) << what;
}

class Bf16 : public testing::TestWithParam<Named> {
 protected:
  void SetUp() override {
    if (!cpu::has_bf16()) GTEST_SKIP() << "this processor has no bf16 instructions";
  }
  static OpProblem problem(Precision precision) {
    const Named& n = GetParam();
    return {.params = n.params,
            .bottoms = {n.x},
            .tops = {n.y},
            .bottom_layouts = {n.layout},
            .propagate = {true},
            .training = true,
            .precision = precision};
  }
  static OpInputs inputs() {
    const Named& n = GetParam();
    return {{random_tensor<float>(n.x, 1)},
            {random_tensor<float>(n.w, 2), random_tensor<float>({n.w.n()}, 3)},
            {random_tensor<float>(n.y, 4)}};
  }
  static const Implementation& implementation() {
    for (const Implementation* i : implementations("cpu", GetParam().params)) {
      if (i->name.find("bf16") != std::string_view::npos &&
          i->supports(problem(Precision::kBf16)).empty())
        return *i;
    }
    throw Error("no bf16 implementation");
  }
  static void compare(const OpInputs& in, double share) {
    const OpProblem exact = problem(Precision::kFp32);
    const OpOutputs actual = run_op(problem(Precision::kBf16), implementation(), in);
    const OpOutputs expected = run_op(exact, kReferenceImplementation, in);
    const OpOutputs sums =
        run_op(exact, kReferenceImplementation,
               {magnitudes(in.bottoms), magnitudes(in.params), magnitudes(in.top_grads)});
    expect_within(actual.tops, expected.tops, sums.tops, share, "top ");
    expect_within(actual.bottom_grads, expected.bottom_grads, sums.bottom_grads, share,
                  "bottom gradient ");
    expect_within(actual.param_grads, expected.param_grads, sums.param_grads, share,
                  "parameter gradient ");
  }
};

TEST_P(Bf16, IsWithinTheRoundingOfItsOperands) { compare(inputs(), 1.01 / 128); }

TEST_P(Bf16, IsExactOnSmallIntegers) {
  const OpInputs in = inputs();
  compare({whole(in.bottoms), whole(in.params), whole(in.top_grads)}, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Problems, Bf16,
    testing::Values(Named{"convolution_in_blocks",
                          ConvolutionParams{.outputs = 48, .kernel = {3, 3}, .pad = {1, 1}},
                          {2, 32, 9, 7},
                          {2, 48, 9, 7},
                          {48, 32, 3, 3},
                          Layout::kBlocked16},
                    Named{"convolution_one_by_one",
                          ConvolutionParams{.outputs = 32},
                          {2, 64, 6, 5},
                          {2, 32, 6, 5},
                          {32, 64, 1, 1},
                          Layout::kBlocked16},
                    Named{"convolution_of_colours_with_stride",
                          ConvolutionParams{
                              .outputs = 32, .kernel = {7, 7}, .stride = {2, 2}, .pad = {3, 3}},
                          {2, 3, 32, 32},
                          {2, 32, 16, 16},
                          {32, 3, 7, 7}},
                    Named{"inner_product_of_vectors",
                          InnerProductParams{.outputs = 40},
                          {3, 100},
                          {3, 40},
                          {40, 100}},
                    Named{"inner_product_of_blocks",
                          InnerProductParams{.outputs = 24},
                          {4, 32, 3, 3},
                          {4, 24},
                          {24, 32, 3, 3},
                          Layout::kBlocked16}),
    [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace fovea
