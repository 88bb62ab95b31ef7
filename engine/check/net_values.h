// What the layers of a net are checked with: its parameters, and the tensors and gradients that one
// device made of random inputs. All plain, in the host's memory.
#pragma once

#include "engine/check/layer_run.h"
#include "engine/graph/executor.h"

namespace fovea {

class NetValues {
 public:
  // With parameters of `model`, which must outlive it, and inputs that are pixels around a mean,
  // and labels below every class count.
  NetValues(const Executor& model, std::uint64_t seed);

  [[nodiscard]] OpProblem problem_of(std::size_t node) const;
  // Without gradients from above.
  [[nodiscard]] LayerInputs inputs_of(std::size_t node) const;
  [[nodiscard]] const std::vector<Tensor<float>>& params(std::size_t node) const {
    return params_[node];
  }
  [[nodiscard]] const Tensor<float>& value(int tensor) const {
    return values_[static_cast<std::size_t>(tensor)];
  }
  // What the layer above left, or, where it was not run, random numbers.
  [[nodiscard]] Tensor<float> gradient(int tensor) const;

  void keep_values(std::size_t node, const LayerOutputs& outputs);
  void keep_gradients(std::size_t node, const LayerOutputs& outputs);

 private:
  [[nodiscard]] const Shape& shape_of(int tensor) const {
    return graph_.tensors[static_cast<std::size_t>(tensor)].shape;
  }
  void fill_inputs();

  const Graph& graph_;
  std::uint64_t seed_;
  std::vector<std::vector<Tensor<float>>> params_;  // per node
  std::vector<Tensor<float>> values_, gradients_;   // per tensor
};

}  // namespace fovea
