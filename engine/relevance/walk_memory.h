// Where the relevance of each tensor of a walk lies.
#pragma once

#include <span>
#include <vector>

#include "engine/backend/transfer.h"
#include "engine/graph/executor.h"
#include "engine/relevance/walk_steps.h"

namespace fovea {

// One arena for the relevance of all tensors by their lives, and one scratch for all steps. A
// tensor's relevance lives from the step that writes it (its consumer) to the step that reads it
// (its producer); tensors that pass as they are share their memory.
class WalkMemory {
 public:
  WalkMemory() = default;
  // `keep_all`: nothing is overwritten. `executor` outlives this.
  WalkMemory(const Executor& executor, std::span<const WalkStep> walk, int start_tensor,
             bool keep_all);

  // Relevance of a tensor of the walk, in the layout of the executor's plan.
  [[nodiscard]] OpTensor at(int tensor) const;
  [[nodiscard]] RelevanceBinding binding_of(const Node& node) const;
  [[nodiscard]] std::size_t bytes() const { return arena_.size() + scratch_.size(); }

 private:
  void share_storage(std::span<const WalkStep> walk);

  const Executor* executor_ = nullptr;
  DeviceBuffer<std::byte> arena_, scratch_;
  std::vector<int> storage_;          // per tensor
  std::vector<std::size_t> offsets_;  // of each storage
  std::vector<bool> has_relevance_;   // per tensor
};

}  // namespace fovea
