// Runs a graph on one device: plans once (implementations, layouts, fusions, memory), then executes
// without allocating.
//
// Not thread-safe: one executor, one thread calls it (the operations use all OpenMP threads
// themselves).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/engine_choice.h"
#include "engine/core/tensor.h"
#include "engine/graph/graph.h"

namespace fovea {

struct BatchShare;

struct ExecutorOptions {
  std::string device = "cpu";  // cpu | reference | emulated | cuda[:N]
  bool training = false;       // backward() is available; dropout draws
  bool keep_all = false;  // no two live tensors share memory after forward: every blob can be read
  std::vector<std::string> keep;  // blobs that stay readable after backward()
  std::uint64_t seed = 0;         // dropout
  Precision precision = Precision::kFp32;
  EngineChoice engine = EngineChoice::kOrdered;
  bool join_in_place = true;  // concatenated tensors are written where they end up, if possible
  bool join_siblings = true;  // 1x1 convolutions of one tensor run as one, if the device can
  // The caller writes the inputs in the device's memory (raw()), in the layout that the plan has
  // for them: their readers' where that is plain or channels-last. forward() uploads none.
  bool device_inputs = false;
};

// What the planner decided for one step, for `net show`, `bench` and tests.
struct StepInfo {
  std::vector<int> nodes;             // of the graph; none = a change of layout, several = siblings
  std::string label, implementation;  // "conv1+relu1", "onednn:convolution"
  std::string layout;                 // of top 0
  bool joined = false;                // top 0 is written into its place in a concatenated tensor
  bool alias = false, backward = false;  // does nothing; has a backward pass
  // Of everything that a pass needs, each once: values, parameters, gradients, state.
  double forward_bytes = 0, backward_bytes = 0;
};

class Executor {
 public:
  Executor(Graph graph, const ExecutorOptions& options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  [[nodiscard]] const Graph& graph() const;
  // Whose memory everything below that is called packed or raw lies in.
  [[nodiscard]] Device& device() const;
  [[nodiscard]] bool training() const;
  [[nodiscard]] bool device_inputs() const;
  [[nodiscard]] std::vector<StepInfo> steps() const;
  [[nodiscard]] std::size_t arena_bytes() const;  // activations, gradients, state and scratch
  [[nodiscard]] std::size_t peak_bytes() const;   // arena + parameters + parameter gradients

  // Learnable parameters in net order (weights, then bias, of each layer), plain Caffe order and
  // shape.
  [[nodiscard]] std::size_t param_count() const;
  [[nodiscard]] const ParamInfo& param_info(std::size_t k) const;
  void set_param(std::size_t k, std::span<const float> values);
  [[nodiscard]] std::vector<float> param(std::size_t k) const;
  [[nodiscard]] std::vector<float> param_grad(std::size_t k) const;

  // The same in the planned layout, for elementwise updates; padding is zero in all of them and
  // must stay so. Call params_updated() after writing.
  [[nodiscard]] std::span<float> packed_param(std::size_t k);
  [[nodiscard]] std::span<float> packed_grad(std::size_t k);
  void params_updated();
  // Conversion between plain and packed order for what shares a parameter's layout (solver
  // history).
  void pack(std::size_t k, std::span<const float> plain, std::span<float> packed) const;
  void unpack(std::size_t k, std::span<const float> packed, std::span<float> plain) const;

  // Input `name` ("data": N,C,H,W; "label": N) in the host's memory, to be filled before forward(),
  // which uploads it where the device's memory is another.
  [[nodiscard]] TensorView<float> input(const std::string& name);
  // From now on forward() uploads no inputs: what the device's memory holds (raw()) is taken.
  void keep_inputs();

  // What the operation of a node (dropout, a loss) is to know of a batch of which the inputs are a
  // part (kernels/ops/batch_share.h); stays. Error where the device's operation cannot.
  void share_batch(int node, const BatchShare& share);

  // `iteration` keys dropout. backward() needs training and a forward() before it; it starts from
  // the losses.
  void forward(std::uint64_t iteration = 0);
  void backward(std::uint64_t iteration = 0);
  // The same of steps() [first, end) alone, last step first, so that something may stand between
  // the parts of a pass. Recorded like a whole pass, each part by itself.
  void backward_part(std::size_t first, std::size_t end, std::uint64_t iteration = 0);

  // One of steps(), for timing; a whole pass is all of them in order (backward: in reverse order).
  void forward_step(std::size_t step, std::uint64_t iteration = 0);
  void backward_step(std::size_t step, std::uint64_t iteration = 0);

  // Sum of loss_weight * loss over the loss layers after forward().
  [[nodiscard]] double loss() const;
  // A tensor as plain NCHW / NC; by id, or by blob name (its final value).
  [[nodiscard]] Tensor<float> tensor(int id) const;
  [[nodiscard]] Tensor<float> blob(const std::string& name) const;
  // The device's memory of a tensor, in the layout of the plan.
  [[nodiscard]] OpTensor raw(int id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea
