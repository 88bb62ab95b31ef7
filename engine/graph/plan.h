// The plan of a graph on a device: which implementation runs each layer, in which layout, fused
// with what, and which tensors share storage. Pointers come later (executor.cc); a plan knows only
// numbers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/executor.h"
#include "kernels/ops/op.h"

namespace fovea {

// A value as the plan sees it: one of the graph's tensors, or a copy of one in another layout.
struct PlannedTensor {
  Shape shape;
  Layout layout = Layout::kPlain;
  int storage = -1;       // values; tensors with the same number share memory
  int grad_storage = -1;  // gradients likewise; -1 = none wanted
  // A slice of the channels of the tensor that owns the storage: where it begins, and the floats
  // from one of its images to the next; 0 and 0 = the whole. Values and gradients by themselves.
  bool is_slice = false;  // of values
  std::int64_t offset = 0, pitch = 0;
  std::int64_t grad_offset = 0, grad_pitch = 0;
};

struct PlannedStep {
  std::string label;       // "conv1", "conv1+relu1", "1x1 & 3x3_reduce", "norm1 -> nchw"
  std::vector<int> nodes;  // of the graph; none = a change of layout, several = siblings
  std::unique_ptr<Op> op;  // null for a change of layout
  std::string_view implementation;
  std::vector<int> bottoms, tops;  // planned tensors
  bool run_backward = false;
};

struct Plan {
  std::vector<PlannedTensor> tensors;
  std::vector<int> of_graph_tensor;  // graph tensor -> planned tensor that carries its value
  std::vector<PlannedStep> steps;
  int storages = 0, grad_storages = 0;
};

[[nodiscard]] Plan make_plan(const Graph& graph, const ExecutorOptions& options);

}  // namespace fovea
