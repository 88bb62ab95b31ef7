#include "kernels/cudnn/bias_relu.h"

namespace fovea::cudnn {

BiasRelu::BiasRelu(const Shape& y, bool bias, bool relu)
    : bias_(bias),
      relu_(relu),
      y_(tensor_descriptor(y)),
      b_(tensor_descriptor({1, y.c()})),
      activation_(
          make(api().cudnnCreateActivationDescriptor, api().cudnnDestroyActivationDescriptor)) {
  check(api().cudnnSetActivationDescriptor(activation_.get(), CUDNN_ACTIVATION_RELU,
                                           CUDNN_NOT_PROPAGATE_NAN, 0));
}

void BiasRelu::run(cudnnHandle_t handle, const float* b, float* y) const {
  if (bias_) check(api().cudnnAddTensor(handle, &kOne, b_.get(), b, &kOne, y_.get(), y));
  if (relu_)
    check(api().cudnnActivationForward(handle, activation_.get(), &kOne, y_.get(), y, &kZero,
                                       y_.get(), y));
}

}  // namespace fovea::cudnn
