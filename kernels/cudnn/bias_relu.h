// y = relu(y + b) behind a product that could not do it itself.
#pragma once

#include "kernels/cudnn/library_op.h"

namespace fovea::cudnn {

class BiasRelu {
 public:
  // y (N,K) or (N,K,P,Q) channels-last, b (K).
  BiasRelu(const Shape& y, bool bias, bool relu);

  void run(cudnnHandle_t handle, const float* b, float* y) const;

 private:
  bool bias_, relu_;
  TensorDescriptor y_, b_;
  Owned<cudnnActivationDescriptor_t, cudnnStatus_t> activation_;
};

}  // namespace fovea::cudnn
