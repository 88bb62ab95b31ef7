// Operations that know of a batch that several ranks share: the parts are what the whole would be,
// on every device.
#include <gtest/gtest.h>

#include "engine/backend/registry.h"
#include "tests/support/compare.h"
#include "tests/support/op_problem.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

constexpr std::int64_t kImages = 5, kPart = 2, kFirst = 3;

// Images kFirst and the one behind it.
Tensor<float> part_of(const Tensor<float>& whole) {
  Shape shape = whole.shape;
  const std::int64_t image = whole.shape.count_from(1);
  shape[0] = kPart;
  Tensor<float> part(shape);
  std::copy_n(whole.values.begin() + kFirst * image, kPart * image, part.values.begin());
  return part;
}

const Implementation& implementation_on(std::string_view device, const OpProblem& problem) {
  for (const Implementation* candidate : implementations(device, problem.params)) {
    if (candidate->supports(problem).empty()) return *candidate;
  }
  throw Error(str("no implementation on ", device));
}

class SharedBatchOp : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Devices, SharedBatchOp, testing::ValuesIn(known_devices()));

// Images; rows whose length is no multiple of the four numbers that are drawn at once.
TEST_P(SharedBatchOp, DropoutDrawsForThePlaceInTheWholeBatch) {
  for (const Shape& x : {Shape{kImages, 5, 3, 2}, Shape{kImages, 23}, Shape{kImages, 1}}) {
    OpProblem whole = op_problem(DropoutParams{.ratio = 0.4F}, x);
    whole.seed = 11, whole.layer = 3;
    OpProblem part = whole;
    part.bottoms[0][0] = part.tops[0][0] = kPart;
    const Implementation& implementation = implementation_on(GetParam(), whole);
    const OpInputs inputs = inputs_of(whole, random_tensor<float>);
    const OpInputs parts{.bottoms = {part_of(inputs.bottoms[0])},
                         .params = {},
                         .top_grads = {part_of(inputs.top_grads[0])}};
    RunConditions conditions{.iteration = 7, .device = std::string(GetParam())};
    const OpOutputs expected = run_op(whole, implementation, inputs, conditions);
    conditions.share = BatchShare{.first_image = kFirst};
    const OpOutputs actual = run_op(part, implementation, parts, conditions);
    EXPECT_EQ(actual.tops[0].values, part_of(expected.tops[0]).values) << x;
    EXPECT_EQ(actual.bottom_grads[0].values, part_of(expected.bottom_grads[0]).values) << x;
  }
}

// Nine in the whole batch; without it the operation counts its own.
TEST_P(SharedBatchOp, ALossIsDividedByTheCountOfTheWholeBatch) {
  const auto scores = random_tensor<float>({kPart, 4}, 1);
  const Tensor<float> labels{Shape{kPart}, {1, 3}};
  for (const bool normalize : {true, false}) {
    OpProblem problem = op_problem(SoftmaxLossParams{.normalize = normalize}, scores.shape);
    problem.bottoms.push_back(labels.shape), problem.bottom_layouts.push_back(Layout::kPlain);
    problem.propagate.push_back(false);
    problem.tops = {Shape{}};
    const Implementation& implementation = implementation_on(GetParam(), problem);
    const OpInputs inputs{.bottoms = {scores, labels}, .params = {}, .top_grads = {}};
    RunConditions conditions{.device = std::string(GetParam())};
    const OpOutputs own = run_op(problem, implementation, inputs, conditions);
    conditions.share = BatchShare{.count = 9};
    const OpOutputs shared = run_op(problem, implementation, inputs, conditions);
    EXPECT_NEAR(shared.tops[0].values[0], own.tops[0].values[0] * kPart / 9, 1e-6);
    for (std::size_t i = 0; i < 4 * kPart; ++i)
      EXPECT_NEAR(shared.bottom_grads[0].values[i], own.bottom_grads[0].values[i] * kPart / 9,
                  1e-6);
  }
}

}  // namespace
}  // namespace fovea
