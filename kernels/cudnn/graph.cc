#include "kernels/cudnn/graph.h"

#include <algorithm>

namespace fovea::cudnn {
namespace {

using Notes = std::vector<cudnnBackendNumericalNote_t>;

// Of the engine that a configuration is for.
Notes numerical_notes(const Descriptor& configuration) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t pointer = engine.get();
  std::int64_t count = 0;
  check(api().cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &pointer));
  Notes notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  check(api().cudnnBackendGetAttribute(pointer, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                       CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                                       &count, notes.data()));
  notes.resize(static_cast<std::size_t>(count));
  return notes;
}

bool keeps_to(const Limits& limits, const Notes& notes) {
  return std::ranges::none_of(notes, [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:          // single precision to half
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:  // sums in half
        return true;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return !limits.tensor_cores;
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return limits.exact_zeros;
      default:
        return false;
    }
  });
}

// Configurations in the order in which `mode` expects them to be fast; none where the library has
// nothing to say.
std::vector<Descriptor> propose(const Descriptor& graph, cudnnBackendHeurMode_t mode,
                                std::string& reason) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (const cudnnStatus_t code = heuristics.try_finalize(); code != CUDNN_STATUS_SUCCESS) {
    reason = api().cudnnGetErrorString(code);
    return {};
  }
  std::int64_t count = 0;
  check(api().cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
  std::vector<Descriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::int64_t i = 0; i < count; ++i) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    pointers.push_back(configurations.back().get());
  }
  std::int64_t found = 0;
  if (count > 0)
    check(api().cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &found,
                                         pointers.data()));
  configurations.erase(configurations.begin() + found, configurations.end());
  return configurations;
}

}  // namespace

Descriptor::Descriptor(cudnnBackendDescriptorType_t type)
    : descriptor_(nullptr, api().cudnnBackendDestroyDescriptor) {
  cudnnBackendDescriptor_t made = nullptr;
  check(api().cudnnBackendCreateDescriptor(type, &made));
  descriptor_.reset(made);
}

OperationGraph::OperationGraph(std::vector<Descriptor> parts,
                               std::span<const cudnnBackendDescriptor_t> operations,
                               cudnnHandle_t handle)
    : parts_(std::move(parts)), graph_(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
  graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
  if (handle) graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
  graph_.finalize();
}

Plan::Plan(std::shared_ptr<const Handles> handles, OperationGraph graph, const Limits& limits)
    : handles_(std::move(handles)),
      graph_(std::move(graph)),
      execution_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR),
      reason_("no engine keeps to what is asked for") {
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    configurations_ = propose(graph_.descriptor(), mode, reason_);
    for (const Descriptor& configuration : configurations_) {
      if (take(configuration, limits)) return;
    }
  }
  throw Error(str("cuDNN: ", reason_));
}

bool Plan::take(const Descriptor& configuration, const Limits& limits) {
  if (!keeps_to(limits, numerical_notes(configuration))) return false;
  Descriptor execution(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  execution.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handles_->cudnn());
  execution.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (const cudnnStatus_t code = execution.try_finalize(); code != CUDNN_STATUS_SUCCESS) {
    reason_ = api().cudnnGetErrorString(code);
    return false;
  }
  std::int64_t count = 0, workspace = 0;
  check(api().cudnnBackendGetAttribute(execution.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                       CUDNN_TYPE_INT64, 1, &count, &workspace));
  if (workspace > kMostWorkspace) return false;
  workspace_ = static_cast<std::size_t>(workspace);
  execution_ = std::move(execution);
  return true;
}

BoundPlan::BoundPlan(std::shared_ptr<const Plan> plan, std::span<const BoundTensor> tensors,
                     void* workspace)
    : plan_(std::move(plan)), pack_(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR) {
  std::vector<std::int64_t> ids;
  std::vector<void*> pointers;
  for (const BoundTensor& tensor : tensors) {
    ids.push_back(tensor.id);
    pointers.push_back(tensor.data);
  }
  pack_.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
            std::span<const std::int64_t>(ids));
  pack_.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
            std::span<void* const>(pointers));
  pack_.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack_.finalize();
}

}  // namespace fovea::cudnn
