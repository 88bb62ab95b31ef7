// The libraries' handles and descriptors as move-only owners. Making one throws; letting one go
// never does.
#pragma once

#include <memory>
#include <type_traits>

#include "kernels/cudnn/library.h"
#include "kernels/ops/op.h"

namespace fovea::cudnn {

template <class Handle, class Status>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Status (*)(Handle)>;

template <class Handle, class Status>
[[nodiscard]] Owned<Handle, Status> make(Status (*create)(Handle*), Status (*destroy)(Handle)) {
  Handle handle = nullptr;
  check(create(&handle));
  return {handle, destroy};
}

// cuDNN's and cuBLAS's handle of a GPU. Each call says on which queue it runs.
class Handles {
 public:
  Handles()
      : cudnn_(make(api().cudnnCreate, api().cudnnDestroy)),
        cublas_(make(api().cublasCreate_v2, api().cublasDestroy_v2)) {}

  [[nodiscard]] cudnnHandle_t cudnn() const { return cudnn_.get(); }
  [[nodiscard]] cudnnHandle_t cudnn_on(cudaStream_t queue) const {
    check(api().cudnnSetStream(cudnn_.get(), queue));
    return cudnn_.get();
  }
  // `workspace` at a multiple of 256: products are then the same whatever else runs, and a
  // recording (CUDA graph) holds no allocation. Another queue would set it back, so it is set
  // behind it.
  [[nodiscard]] cublasHandle_t cublas_on(cudaStream_t queue, void* workspace,
                                         std::size_t bytes) const {
    check(api().cublasSetStream_v2(cublas_.get(), queue));
    check(api().cublasSetWorkspace_v2(cublas_.get(), workspace, bytes));
    return cublas_.get();
  }

 private:
  Owned<cudnnHandle_t, cudnnStatus_t> cudnn_;
  Owned<cublasHandle_t, cublasStatus_t> cublas_;
};

// Those of the calling thread for its GPU: operations made on one thread share them, and must not
// run on several threads at once. They go with the last of the operations.
[[nodiscard]] std::shared_ptr<const Handles> handles();

using TensorDescriptor = Owned<cudnnTensorDescriptor_t, cudnnStatus_t>;

// Single precision, channels-last; axes that a shape lacks are 1. Error where an index would not
// fit into 31 bits.
[[nodiscard]] TensorDescriptor tensor_descriptor(const Shape& shape);

}  // namespace fovea::cudnn
