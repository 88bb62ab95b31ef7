// Pooling by cuDNN, where its windows are Caffe's (kernels/ops/pooling.h).
//
//   cuDNN: P = floor((H + 2 pad - k) / stride) + 1, every window inside the padded image; the
//   average's divisor then is the whole window, padding counted, as Caffe's is.
#include "kernels/cudnn/library_op.h"

namespace fovea::cudnn {
namespace {

class PoolingOp final : public LibraryOp {
 public:
  explicit PoolingOp(const OpProblem& problem)
      : LibraryOp(problem),
        x_(tensor_descriptor(problem.bottoms[0])),
        y_(tensor_descriptor(problem.tops[0])),
        pooling_(make(api().cudnnCreatePoolingDescriptor, api().cudnnDestroyPoolingDescriptor)) {
    const PoolingParams p = resolved(std::get<PoolingParams>(problem.params), problem.bottoms[0]);
    const auto number = [](std::int64_t value) { return static_cast<int>(value); };
    check(api().cudnnSetPooling2dDescriptor(
        pooling_.get(),
        p.mode == PoolingMode::kMax ? CUDNN_POOLING_MAX_DETERMINISTIC
                                    : CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING,
        CUDNN_NOT_PROPAGATE_NAN, number(p.kernel[0]), number(p.kernel[1]), number(p.pad[0]),
        number(p.pad[1]), number(p.stride[0]), number(p.stride[1])));
  }

  void forward(std::uint64_t) override {
    check(api().cudnnPoolingForward(cudnn(), pooling_.get(), &kOne, x_.get(),
                                    binding_.bottoms[0].data, &kZero, y_.get(),
                                    binding_.tops[0].data));
  }
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    check(api().cudnnPoolingBackward(cudnn(), pooling_.get(), &kOne, y_.get(),
                                     binding_.tops[0].data, y_.get(), binding_.top_grads[0].data,
                                     x_.get(), binding_.bottoms[0].data, &kZero, x_.get(), dx));
  }

 private:
  TensorDescriptor x_, y_;
  Owned<cudnnPoolingDescriptor_t, cudnnStatus_t> pooling_;
};

std::string supports(const OpProblem& problem) {
  const auto* params = std::get_if<PoolingParams>(&problem.params);
  if (!params) return "another operation";
  const Shape &x = problem.bottoms[0], &y = problem.tops[0];
  const PoolingParams p = resolved(*params, x);
  const std::int64_t input[2] = {x.h(), x.w()}, output[2] = {y.h(), y.w()};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t span = input[axis] + 2 * p.pad[axis] - p.kernel[axis];
    if (p.pad[axis] >= p.kernel[axis]) return "padding as wide as the window";
    // Caffe rounds the number of windows up and cuts the last one off at the image's edge, where
    // its average divides by what is left of it; cuDNN has neither such windows nor such divisors.
    if (span < 0 || span / p.stride[axis] + 1 != output[axis]) return "a window over the edge";
  }
  // Caffe gives the gradient to the first of equal maxima. cuDNN promises that repeated calls
  // agree, not which of the equals they choose.
  if (p.mode == PoolingMode::kMax && problem.training && problem.propagate[0])
    return "the gradient among equal maxima is not specified";
  return "";
}

}  // namespace

extern const Implementation kPooling;
const Implementation kPooling{"cudnn:pooling", supports, create_op_of<PoolingOp>, Origin::kLibrary};

}  // namespace fovea::cudnn
