// Runs the steps of a walk, and says where the relevance went.
//
// On a device with a memory of its own the whole walk is queued at once, recorded the first time
// (Device::record) and repeated for further batches; its sums are read once, behind its end. Steps
// then take the layer's output for a sum wherever that may serve. When the sums say that it did not
// somewhere, or that something looks wrong, the walk is run again step by step: each step asks what
// it may take, and is looked at before the next one overwrites what it was made from. Either way
// has the same numbers; which one ran depends on the batch alone, but that after a walk that had to
// be repeated the next ones are run step by step until one finds nothing in the way.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/relevance/analyzer.h"
#include "engine/relevance/numerics.h"
#include "engine/relevance/walk_memory.h"
#include "engine/relevance/walk_report.h"
#include "engine/relevance/walk_steps.h"

namespace fovea {

class WalkRun {
 public:
  // `start_tensor`, of `executor`'s graph: where the walk begins; `start_name`: its layer's name.
  // Binds the steps. All but the name outlive this.
  WalkRun(const Executor& executor, RelevanceKernels& kernels, std::vector<WalkStep>& walk,
          const WalkMemory& memory, int start_tensor, std::string start_name);

  // From `start`, plain, of the shape of the start tensor.
  void run(TensorView<const float> start);
  // Parameters of the steps were written: what is recorded holds their earlier memory.
  void steps_changed() { recorded_ = nullptr; }
  void visit_steps(Analyzer::StepVisitor visitor) { visitor_ = std::move(visitor); }

  [[nodiscard]] const std::vector<LayerRelevance>& layers() const { return layers_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  // Rows of report_ in which a step's sums stand; -1: nothing reaches that tensor.
  struct Rows {
    std::vector<int> tops, bottoms;
    int kept = -1;  // of the top behind keep_channels
  };

  void plan_rows(int start_tensor);
  [[nodiscard]] const Node& node_of(const WalkStep& w) const;
  [[nodiscard]] std::span<ImageSums> sums(int row) const {
    return report_.sums(static_cast<std::size_t>(row));
  }
  [[nodiscard]] StepReport own_report(std::size_t step) const;

  // Of the step's top 0: only the channels that are to stay, and the sums of those; queued.
  void keep_channels(std::size_t step);
  // The relevance behind a step, and the sums of it; queued.
  void queue_step(std::size_t step, const StepReport& report);
  // Whether nothing was in the way of the walk as a whole; `layers_` then tells of it.
  [[nodiscard]] bool run_whole();
  // The same of a walk step by step; also `warnings_`.
  [[nodiscard]] bool run_by_steps();
  void show_to_visitor(std::size_t step);
  [[nodiscard]] std::vector<StepSums> step_sums(std::size_t step) const;
  void add_layer(std::size_t step, std::span<const StepSums> sums);
  [[nodiscard]] bool start_is_finite() const;

  const Executor& executor_;
  RelevanceKernels& kernels_;
  std::vector<WalkStep>& walk_;
  const WalkMemory& memory_;
  OpTensor start_;
  std::string start_name_;
  std::vector<Rows> rows_;  // per step
  int row_count_ = 0;
  WalkReport report_;  // one step more than the walk has: for steps that a visitor repeats
  std::function<void()> recorded_;
  bool undisturbed_ = true;  // the last walk
  Analyzer::StepVisitor visitor_;
  std::vector<LayerRelevance> layers_;
  std::vector<std::string> warnings_;
};

}  // namespace fovea
