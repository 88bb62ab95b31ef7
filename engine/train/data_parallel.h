// One training by several ranks, each with an equal part of every batch: rank r of R has images
// r n, ..., r n + n - 1 of a batch of R n. What one process would compute of the whole batch is
// computed, but for the order in which the images' gradients are added:
//
// - Losses are divided by the count of the whole batch (kernels/ops/simple.h). Where that depends
//   on the labels (ignored ones, class weights), the ranks' counts are summed before every forward
//   pass. So losses and gradients of the ranks need only be added.
// - Dropout draws for the image's place in the whole batch.
// - Gradients are summed in the order of the ranks (engine/parallel/gradient_sum.h), behind the
//   accumulation over sub-batches and in front of clipping. Every rank then makes the same update.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/parallel/communicator.h"
#include "engine/parallel/gradient_sum.h"
#include "engine/parallel/host_sum.h"

namespace fovea {

class DataParallel {
 public:
  // `executor` is one of this rank's part, with the inputs "data" and "label". Error when a loss
  // reads labels that are no input. `sum` adds up gradients in the memory of the executor's device;
  // null: the hosts do (engine/parallel/host_sum.h). All must outlive this.
  DataParallel(Communicator& ranks, Executor& executor, DeviceSum* sum = nullptr);

  [[nodiscard]] Communicator& ranks() { return ranks_; }
  [[nodiscard]] GradientSum& gradients() { return gradients_; }

  // The inputs are filled, forward comes next.
  void share_losses();

  // Sums the losses of an iteration, and asks all ranks whether one was told to stop. Behind
  // gradients().finish().
  void finish(std::span<double> losses, bool stop_here);
  [[nodiscard]] bool stop_agreed() const { return stop_agreed_; }

  // Gives every rank rank 0's parameters.
  void broadcast_params();

 private:
  struct CountedLoss {
    int node;
    const SoftmaxLossParams* params;
    std::span<const float> labels;
  };

  Communicator& ranks_;
  Executor& executor_;
  std::vector<CountedLoss> counted_;  // whose count depends on the labels
  std::vector<double> sums_;
  bool stop_agreed_ = false;
  std::unique_ptr<HostSum> by_hosts_;  // null: another sum
  GradientSum gradients_;
};

}  // namespace fovea
