// Graphs of operations in cuDNN's backend interface, and the plan that runs one
// (NVIDIA, cuDNN backend API reference, "Use cases": operation graph -> heuristics -> engine
// configurations -> execution plan).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/cudnn/handles.h"

namespace fovea::cudnn {

// A backend descriptor. Values are set, then it is finalized, then others may refer to it, as long
// as it lives.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           std::span<const T> values) {
    check(api().cudnnBackendSetAttribute(descriptor_.get(), name, type,
                                         static_cast<std::int64_t>(values.size()), values.data()));
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, std::span<const T>(&value, 1));
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }
  void finalize() { check(try_finalize()); }
  // For those whose failure says that the library cannot do it.
  [[nodiscard]] cudnnStatus_t try_finalize() {
    return api().cudnnBackendFinalize(descriptor_.get());
  }
  [[nodiscard]] cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

 private:
  Owned<cudnnBackendDescriptor_t, cudnnStatus_t> descriptor_;
};

// What an engine must not do.
struct Limits {
  bool tensor_cores = false;  // true: single precision is multiplied in tf32
  bool exact_zeros = false;   // no transforms (Winograd, FFT): see OpProblem
};

// Operations that run as one, and the descriptors that they refer to.
class OperationGraph {
 public:
  // A null handle says that there is no GPU to run it on: what is wrong with the operations is
  // found all the same, by cuDNN 9.19 at least.
  OperationGraph(std::vector<Descriptor> parts,
                 std::span<const cudnnBackendDescriptor_t> operations, cudnnHandle_t handle);
  [[nodiscard]] const Descriptor& descriptor() const { return graph_; }

 private:
  std::vector<Descriptor> parts_;
  Descriptor graph_;
};

// A plan for one graph.
class Plan {
 public:
  // The first engine that the library's heuristics name, that keeps to `limits`, gives the same
  // sums in every run and needs no more than kMostWorkspace. Error with the library's reason when
  // there is none. `graph` was made for the handle of `handles`.
  Plan(std::shared_ptr<const Handles> handles, OperationGraph graph, const Limits& limits);

  [[nodiscard]] std::size_t workspace_bytes() const { return workspace_; }
  [[nodiscard]] const Descriptor& execution() const { return execution_; }

  static constexpr std::int64_t kMostWorkspace = std::int64_t{512} << 20;

 private:
  bool take(const Descriptor& configuration, const Limits& limits);

  std::shared_ptr<const Handles> handles_;
  OperationGraph graph_;
  std::vector<Descriptor> configurations_;
  Descriptor execution_;
  std::size_t workspace_ = 0;
  std::string reason_;
};

// Tensors by the ids that the graph gave them, bound to memory.
struct BoundTensor {
  std::int64_t id;
  void* data;
};

class BoundPlan {
 public:
  BoundPlan(std::shared_ptr<const Plan> plan, std::span<const BoundTensor> tensors,
            void* workspace);
  void run(cudnnHandle_t handle) const {
    check(api().cudnnBackendExecute(handle, plan_->execution().get(), pack_.get()));
  }

 private:
  std::shared_ptr<const Plan> plan_;
  Descriptor pack_;
};

}  // namespace fovea::cudnn
