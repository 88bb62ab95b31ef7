// Local response normalisation across channels by cuDNN (kernels/ops/lrn.h), whose alpha is divided
// by the window's width as Caffe's is.
#include "kernels/cudnn/library_op.h"

namespace fovea::cudnn {
namespace {

class LrnOp final : public LibraryOp {
 public:
  explicit LrnOp(const OpProblem& problem)
      : LibraryOp(problem),
        x_(tensor_descriptor(problem.bottoms[0])),
        lrn_(make(api().cudnnCreateLRNDescriptor, api().cudnnDestroyLRNDescriptor)) {
    const LrnParams& p = std::get<LrnParams>(problem.params);
    check(api().cudnnSetLRNDescriptor(lrn_.get(), static_cast<unsigned>(p.size), p.alpha, p.beta,
                                      p.k));
  }

  void forward(std::uint64_t) override {
    check(api().cudnnLRNCrossChannelForward(cudnn(), lrn_.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1,
                                            &kOne, x_.get(), binding_.bottoms[0].data, &kZero,
                                            x_.get(), binding_.tops[0].data));
  }
  void backward(std::uint64_t) override {
    float* dx = binding_.bottom_grads[0].data;
    if (!dx) return;
    check(api().cudnnLRNCrossChannelBackward(cudnn(), lrn_.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1,
                                             &kOne, x_.get(), binding_.tops[0].data, x_.get(),
                                             binding_.top_grads[0].data, x_.get(),
                                             binding_.bottoms[0].data, &kZero, x_.get(), dx));
  }

 private:
  TensorDescriptor x_;  // of everything
  Owned<cudnnLRNDescriptor_t, cudnnStatus_t> lrn_;
};

std::string supports(const OpProblem& problem) {
  const auto* p = std::get_if<LrnParams>(&problem.params);
  if (!p) return "another operation";
  if (problem.bottoms[0].rank() != 4) return "a tensor that is no image";
  // cuDNN has windows within a channel in its divisive normalisation alone, which subtracts means
  // and whose divisor does not count padding.
  if (p->region != LrnRegion::kAcrossChannels) return "within channels";
  // Caffe's window of n reaches (n - 1) / 2 to both sides; cuDNN's holds n channels, one more
  // above.
  if (p->size % 2 == 0) return "an even window";
  if (p->size < CUDNN_LRN_MIN_N || p->size > CUDNN_LRN_MAX_N) return "a window of more than 16";
  if (p->k < CUDNN_LRN_MIN_K || p->beta < CUDNN_LRN_MIN_BETA) return "too small a k or beta";
  return "";
}

}  // namespace

extern const Implementation kLrn;
const Implementation kLrn{"cudnn:lrn", supports, create_op_of<LrnOp>, Origin::kLibrary};

}  // namespace fovea::cudnn
