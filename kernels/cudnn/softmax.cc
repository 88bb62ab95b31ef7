// Softmax over the channels by cuDNN (kernels/ops/simple.h); its accurate form takes off the
// maximum as Caffe does.
#include "kernels/cudnn/library_op.h"

namespace fovea::cudnn {
namespace {

class SoftmaxOp final : public LibraryOp {
 public:
  explicit SoftmaxOp(const OpProblem& problem)
      : LibraryOp(problem), x_(tensor_descriptor(problem.bottoms[0])) {}
  [[nodiscard]] bool backward_reads_bottoms() const override { return false; }

  void forward(std::uint64_t) override {
    check(api().cudnnSoftmaxForward(cudnn(), CUDNN_SOFTMAX_ACCURATE, CUDNN_SOFTMAX_MODE_CHANNEL,
                                    &kOne, x_.get(), binding_.bottoms[0].data, &kZero, x_.get(),
                                    binding_.tops[0].data));
  }
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    check(api().cudnnSoftmaxBackward(cudnn(), CUDNN_SOFTMAX_ACCURATE, CUDNN_SOFTMAX_MODE_CHANNEL,
                                     &kOne, x_.get(), binding_.tops[0].data, x_.get(),
                                     binding_.top_grads[0].data, &kZero, x_.get(), dx));
  }

 private:
  TensorDescriptor x_;  // of everything
};

std::string supports(const OpProblem& problem) {
  if (!std::holds_alternative<SoftmaxParams>(problem.params)) return "another operation";
  const int rank = problem.bottoms[0].rank();
  return rank == 2 || rank == 4 ? "" : "a tensor that is neither rows nor images";
}

}  // namespace

extern const Implementation kSoftmax;
const Implementation kSoftmax{"cudnn:softmax", supports, create_op_of<SoftmaxOp>, Origin::kLibrary};

}  // namespace fovea::cudnn
