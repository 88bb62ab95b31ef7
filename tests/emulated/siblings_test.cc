// 1x1 convolutions that run as one (kernels/cuda/linear_siblings.cu) on the emulated device against
// the reference, which runs them one by one.
#include "kernels/ops/siblings.h"

#include <numeric>

#include "tests/emulated/linear_support.h"

namespace fovea {
namespace {

struct Family {
  std::string name;
  Shape x;
  std::vector<std::int64_t> outputs;
  bool bias = true, relu = true;
  float slope = 0;
};

std::vector<Family> families() {
  return {
      {"googlenet_3a", {2, 48, 7, 7}, {64, 96, 16}},
      {"googlenet_4b", {1, 64, 5, 4}, {40, 24, 28}},
      {"two", {3, 8, 3, 3}, {4, 8}},
      {"outputs_in_no_whole_pieces", {2, 12, 4, 5}, {5, 1, 13, 3}},
      {"as_many_as_can_be", {1, 16, 3, 2}, {8, 8, 8, 8, 8, 8, 8, 8}},
      {"one_pixel", {1, 32, 1, 1}, {16, 4}},
      {"leaky", {2, 16, 3, 3}, {12, 20}, true, true, 0.25F},
      {"without_bias_or_relu", {2, 16, 3, 3}, {12, 20}, false, false},
  };
}

OpProblem problem_of(const Family& family, Precision precision) {
  const ConvolutionParams params{
      .outputs = std::accumulate(family.outputs.begin(), family.outputs.end(), std::int64_t{0}),
      .bias = family.bias};
  OpProblem problem = op_problem(params, family.x, family.relu, family.slope);
  problem.precision = precision;
  problem.tops.clear();
  for (const std::int64_t outputs : family.outputs)
    problem.tops.push_back({family.x.n(), outputs, family.x.h(), family.x.w()});
  return problem;
}

OpInputs inputs_of(const Family& family) {
  OpInputs inputs;
  inputs.bottoms = {integers(family.x, 1)};
  std::uint64_t seed = 2;
  for (const std::int64_t outputs : family.outputs) {
    inputs.top_grads.push_back(
        integers({family.x.n(), outputs, family.x.h(), family.x.w()}, seed++));
    inputs.params.push_back(integers({outputs, family.x.c(), 1, 1}, seed++));
    if (family.bias) inputs.params.push_back(integers({outputs}, seed++));
  }
  return inputs;
}

// Each by itself; dx is the sum over all of them.
OpOutputs one_by_one(const Family& family, const OpInputs& inputs) {
  OpOutputs all;
  const std::size_t each = family.bias ? 2 : 1;
  for (std::size_t i = 0; i < family.outputs.size(); ++i) {
    const OpProblem problem =
        op_problem(ConvolutionParams{.outputs = family.outputs[i], .bias = family.bias}, family.x,
                   family.relu, family.slope);
    const auto first = inputs.params.begin() + static_cast<std::ptrdiff_t>(i * each);
    const OpOutputs one = run_op(problem, kReferenceImplementation,
                                 {.bottoms = inputs.bottoms,
                                  .params = {first, first + static_cast<std::ptrdiff_t>(each)},
                                  .top_grads = {inputs.top_grads[i]}});
    all.tops.push_back(one.tops[0]);
    all.param_grads.insert(all.param_grads.end(), one.param_grads.begin(), one.param_grads.end());
    if (i == 0) all.bottom_grads = {Tensor<float>(family.x)};
    for (std::size_t e = 0; e < one.bottom_grads[0].values.size(); ++e)
      all.bottom_grads[0].values[e] += one.bottom_grads[0].values[e];
  }
  return all;
}

struct Case {
  Family family;
  std::string implementation;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.family.name << c.implementation; }
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Family& family : families()) {
    for (const char* implementation : {"siblings", "siblings_tf32", "siblings_bf16"})
      all.push_back({family, implementation});
  }
  for (const char* implementation : {"siblings_tf32", "siblings_bf16"})
    all.push_back({{"channels_in_no_whole_pieces", {2, 13, 3, 5}, {6, 8}}, implementation});
  return all;
}

class EmulatedSiblings : public testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] static const Family& family() { return GetParam().family; }
  const Implementation& implementation_ =
      emulated_implementation("emulated:" + GetParam().implementation);
  // The coarsest: what every implementation may be asked for.
  const OpProblem problem_ = problem_of(family(), Precision::kBf16);
  const OpInputs inputs_ = inputs_of(family());
  const OpOutputs expected_ = one_by_one(family(), inputs_);

  void expect_all_equal(const OpOutputs& actual) const {
    for (std::size_t i = 0; i < expected_.tops.size(); ++i)
      EXPECT_EQ(actual.tops[i].values, expected_.tops[i].values) << "top " << i;
    expect_equal(actual, expected_);
  }
};

TEST_P(EmulatedSiblings, IntegersComeOutExactlyInEveryOrderOfThreads) {
  ASSERT_EQ(implementation_.supports(problem_), "");
  for (const emulated::Order& order : emulated::kAllOrders) {
    const emulated::ThreadOrderScope scope(order);
    expect_all_equal(run_op(problem_, implementation_, inputs_));
  }
}

TEST_P(EmulatedSiblings, EveryTileAndShareGivesTheSame) {
  for (const int tile : {0, 1, 2, 3}) {
    for (const int splits : {1, 3}) {
      const emulated::PlanOverride plan(tile, splits);
      expect_all_equal(run_op(problem_, implementation_, inputs_));
    }
  }
}

TEST_P(EmulatedSiblings, OneMayBeFrozen) {
  const OpOutputs actual = run_op(problem_, implementation_, inputs_, {.frozen_param = 0});
  ASSERT_EQ(actual.param_grads.size() + 1, expected_.param_grads.size());
  for (std::size_t k = 0; k < actual.param_grads.size(); ++k)
    EXPECT_TRUE(all_near(actual.param_grads[k].values, expected_.param_grads[k + 1].values, 0));
}

INSTANTIATE_TEST_SUITE_P(Families, EmulatedSiblings, testing::ValuesIn(cases()),
                         [](const auto& parameter) {
                           return parameter.param.family.name + "_" +
                                  parameter.param.implementation;
                         });

TEST(EmulatedSiblings, SinglePrecisionNeedsWholePieces) {
  const Family family{"odd", {2, 13, 3, 5}, {6, 8}};
  EXPECT_EQ(
      emulated_implementation("emulated:siblings").supports(problem_of(family, Precision::kFp32)),
      "channels in no whole pieces");
}

}  // namespace
}  // namespace fovea
