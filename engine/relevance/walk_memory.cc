#include "engine/relevance/walk_memory.h"

#include <algorithm>
#include <numeric>

#include "engine/core/fields.h"
#include "engine/graph/arena.h"

namespace fovea {
WalkMemory::WalkMemory(const Executor& executor, std::span<const WalkStep> walk, int start_tensor,
                       bool keep_all)
    : executor_(&executor) {
  const Graph& graph = executor.graph();
  share_storage(walk);
  std::vector<Interval> lives(storage_.size());
  std::vector<bool> touched(storage_.size());
  has_relevance_.assign(storage_.size(), false);
  const int end = static_cast<int>(walk.size());
  const auto touch = [&](int tensor, int time) {
    const auto at = static_cast<std::size_t>(storage_[static_cast<std::size_t>(tensor)]);
    Interval& life = lives[at];
    if (!touched[at]) life = {0, time, time};
    touched[at] = has_relevance_[static_cast<std::size_t>(tensor)] = true;
    life.bytes = std::max(life.bytes, bytes_of(executor.raw(tensor)));
    life.last = std::max(life.last, keep_all ? end : time);
  };
  touch(start_tensor, 0);
  for (int t = 0; t < end; ++t) {
    const Node& node =
        graph.nodes[static_cast<std::size_t>(walk[static_cast<std::size_t>(t)].node)];
    for (const int top : node.tops) touch(top, t);
    for (const int bottom : node.bottoms) touch(bottom, t);
    if (t == end - 1) touch(node.bottoms[0], end);
  }
  const ArenaLayout layout = plan_arena(lives);
  offsets_ = layout.offsets;
  arena_ = DeviceBuffer<std::byte>(executor.device(), layout.bytes);
  std::size_t bytes = 0;
  for (const WalkStep& w : walk) bytes = std::max(bytes, w.step->scratch_bytes());
  scratch_ = DeviceBuffer<std::byte>(executor.device(), bytes);
}

// Bottoms of steps that pass relevance as it is show their top's memory.
void WalkMemory::share_storage(std::span<const WalkStep> walk) {
  const Graph& graph = executor_->graph();
  storage_.resize(graph.tensors.size());
  std::iota(storage_.begin(), storage_.end(), 0);
  for (const WalkStep& w : walk) {
    if (!w.step->passes()) continue;
    const Node& node = graph.nodes[static_cast<std::size_t>(w.node)];
    const int top = node.tops[0], bottom = node.bottoms[0];
    const OpTensor a = executor_->raw(top), b = executor_->raw(bottom);
    if (a.layout == b.layout &&
        storage_count(a.shape, a.layout) == storage_count(b.shape, b.layout))
      storage_[static_cast<std::size_t>(bottom)] = storage_[static_cast<std::size_t>(top)];
  }
}

OpTensor WalkMemory::at(int tensor) const {
  const auto index = static_cast<std::size_t>(tensor);
  expects(has_relevance_[index], "a tensor of the walk");
  OpTensor t = executor_->raw(tensor);
  t.data =
      reinterpret_cast<float*>(arena_.data() + offsets_[static_cast<std::size_t>(storage_[index])]);
  return t;
}

RelevanceBinding WalkMemory::binding_of(const Node& node) const {
  RelevanceBinding binding{.scratch = scratch_.data()};
  for (const int bottom : node.bottoms) {
    binding.values.push_back(executor_->raw(bottom));
    binding.bottoms.push_back(at(bottom));
  }
  for (const int top : node.tops) {
    binding.top_values.push_back(executor_->raw(top));
    binding.tops.push_back(at(top));
  }
  return binding;
}

}  // namespace fovea
