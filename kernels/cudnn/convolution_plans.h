// The three passes of a convolution as plans of cuDNN's.
#pragma once

#include <memory>
#include <string>

#include "kernels/cudnn/graph.h"

namespace fovea::cudnn {

// Ids of the tensors of a graph. Gradients have the id of their tensor.
enum TensorId : std::int64_t { kX = 'x', kW = 'w', kB = 'b', kY = 'y' };

// What plans are made for. Images and filters are channels-last; operands are single precision, or
// bf16 where `operands` says so; results and bias are single precision.
struct ConvolutionCase {
  ConvolutionParams params;
  Shape x, y;
  Precision operands = Precision::kFp32;
  bool relu = false;
  bool weights = false, data = false;  // which gradients are wanted
  bool exact_zeros = false;

  bool operator==(const ConvolutionCase&) const = default;
};

// Its operations before any plan: forward fused and alone, backward to the data and to the weights.
[[nodiscard]] std::vector<OperationGraph> graphs_of(const ConvolutionCase& c, cudnnHandle_t handle);

struct ConvolutionPlans {
  std::shared_ptr<const Plan> forward, backward_data, backward_weights;  // null: not wanted
  bool fused = false;  // forward adds the bias and applies the ReLU

  [[nodiscard]] std::size_t workspace_bytes() const;
};

// Plans for `wanted` on the calling thread's GPU, or the library's reason why there are none. The
// thread keeps the last ones until take_plans(): a list that asks whether a case is supported, and
// then creates its operation, builds the plans once.
struct FoundPlans {
  std::shared_ptr<const ConvolutionPlans> plans;
  std::string reason;
};
[[nodiscard]] FoundPlans find_plans(const ConvolutionCase& wanted);
[[nodiscard]] std::shared_ptr<const ConvolutionPlans> take_plans(const ConvolutionCase& wanted);

}  // namespace fovea::cudnn
