// Layers for tests of the linear kernels on the emulated device, and their comparison with the
// reference.
#pragma once

#include <gtest/gtest.h>

#include "kernels/cuda/implementations.h"
#include "kernels/emulated/launch.h"
#include "kernels/reference/ops.h"
#include "tests/emulated/launch_support.h"
#include "tests/support/compare.h"
#include "tests/support/op_problem.h"
#include "tests/support/random_tensor.h"

namespace fovea {

namespace emulated {
// kernels/cuda/linear_geometry.cuh
class PlanOverride {
 public:
  PlanOverride(int tile, std::int32_t splits);
  ~PlanOverride();
};
}  // namespace emulated

inline const Implementation& emulated_implementation(std::string_view name) {
  static const Target target = emulated::target();
  for (const auto& list : {target.implementations, target.siblings}) {
    for (const Implementation* candidate : list) {
      if (candidate->name == name) return *candidate;
    }
  }
  throw Error(str("no implementation ", name));
}

struct Layer {
  std::string name;  // why the shape exists
  OpParams params;
  Shape x;
  bool relu = false;
  float slope = 0;
};
inline void PrintTo(const Layer& layer, std::ostream* out) { *out << layer.name; }

inline OpProblem problem_of(const Layer& layer) {
  return op_problem(layer.params, layer.x, layer.relu, layer.slope);
}

inline Tensor<float> integers(const Shape& shape, std::uint64_t seed) {
  Tensor<float> t = random_tensor<float>(shape, seed);
  for (float& v : t.values) v = std::floor(v * 8);
  return t;
}

inline void expect_equal(const OpOutputs& actual, const OpOutputs& expected) {
  EXPECT_EQ(actual.tops[0].values, expected.tops[0].values);
  ASSERT_EQ(actual.bottom_grads.size(), expected.bottom_grads.size());
  for (std::size_t i = 0; i < expected.bottom_grads.size(); ++i) {
    EXPECT_TRUE(all_near(actual.bottom_grads[i].values, expected.bottom_grads[i].values, 0))
        << "bottom gradient";
  }
  for (std::size_t k = 0; k < expected.param_grads.size(); ++k) {
    EXPECT_TRUE(all_near(actual.param_grads[k].values, expected.param_grads[k].values, 0))
        << "gradient of parameter " << k;
  }
}

// On integers, whatever the order of the threads.
inline void expect_exact_in_every_order(const OpProblem& problem,
                                        const Implementation& implementation) {
  const OpInputs inputs = inputs_of(problem, integers);
  const OpOutputs expected = run_op(problem, kReferenceImplementation, inputs);
  for (const emulated::Order& order : emulated::kAllOrders) {
    const emulated::ThreadOrderScope scope(order);
    expect_equal(run_op(problem, implementation, inputs), expected);
  }
}

inline ConvolutionParams conv(std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                              std::int64_t pad, std::int64_t groups = 1) {
  return {.outputs = outputs,
          .kernel = {kernel, kernel},
          .stride = {stride, stride},
          .pad = {pad, pad},
          .groups = groups};
}

// Frobenius norm of the error over that of the result.
inline double distance(const Tensor<float>& a, const Tensor<float>& e) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < e.values.size(); ++i) {
    error += std::pow(static_cast<double>(a.values[i]) - e.values[i], 2);
    norm += std::pow(static_cast<double>(e.values[i]), 2);
  }
  return norm == 0 ? std::sqrt(error) : std::sqrt(error / norm);
}

// What rounding the operands does to a product.
inline double rounding_bound(const std::string& precision) {
  return precision == "bf16" ? 5e-3 : 6e-4;
}

}  // namespace fovea
