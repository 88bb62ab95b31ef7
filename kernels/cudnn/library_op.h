// What the operations of this folder share.
#pragma once

#include "kernels/cudnn/handles.h"

namespace fovea::cudnn {

// Channels-last where they are images, as our own kernels have them, so that both stand side by
// side in a net without a reorder. No operation here takes slices: our concat copies.
class LibraryOp : public Op {
 public:
  explicit LibraryOp(const OpProblem& problem) : handles_(cudnn::handles()) {
    for (const Shape& shape : problem.bottoms) bottom_layouts_.push_back(layout_of(shape));
    for (const Shape& shape : problem.tops) top_layouts_.push_back(layout_of(shape));
  }
  [[nodiscard]] Layout bottom_layout(std::size_t i) const override { return bottom_layouts_.at(i); }
  [[nodiscard]] Layout top_layout(std::size_t i) const override { return top_layouts_.at(i); }

  void bind(const OpBinding& binding) override {
    expects(binding.device != nullptr, "a binding that names its device");
    Op::bind(binding);
    queue_ = static_cast<cudaStream_t>(support().queue(*binding.device));
  }

 protected:
  [[nodiscard]] static const LibrarySupport& support() { return *runtime().support; }
  [[nodiscard]] cudnnHandle_t cudnn() const { return handles_->cudnn_on(queue_); }

  std::shared_ptr<const Handles> handles_;
  cudaStream_t queue_ = nullptr;

 private:
  static Layout layout_of(const Shape& shape) {
    return shape.rank() == 4 ? Layout::kChannelsLast : Layout::kPlain;
  }

  std::vector<Layout> bottom_layouts_, top_layouts_;
};

// Factors of result = kOne * operation + kZero * result, which cuDNN reads from the host.
inline constexpr float kOne = 1, kZero = 0;

template <class T>
std::unique_ptr<Op> create_op_of(const OpProblem& problem) {
  return std::make_unique<T>(problem);
}

}  // namespace fovea::cudnn
