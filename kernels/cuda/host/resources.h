// CUDA's resources as move-only owners. Making one throws; letting one go never does.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "kernels/cuda/host/check.h"
#include "kernels/cuda/host/launch.h"

namespace fovea::cuda {

namespace detail {
// unique_ptr over a handle whose deleter's result has nowhere to go.
template <auto kDestroy, class Handle>
struct Destroy {
  using pointer = Handle;
  void operator()(Handle handle) const noexcept { (void)kDestroy(handle); }
};
template <auto kDestroy, class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<kDestroy, Handle>>;
}  // namespace detail

using OwnedStream = detail::Owned<cudaStreamDestroy, cudaStream_t>;
using OwnedEvent = detail::Owned<cudaEventDestroy, cudaEvent_t>;
using OwnedGraph = detail::Owned<cudaGraphDestroy, cudaGraph_t>;
using OwnedGraphExec = detail::Owned<cudaGraphExecDestroy, cudaGraphExec_t>;

// A queue that does not wait for the default stream.
inline OwnedStream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return OwnedStream(stream);
}
// With timing for measurements, without it for ordering.
inline OwnedEvent make_event(bool timing) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, timing ? cudaEventDefault : cudaEventDisableTiming));
  return OwnedEvent(event);
}

// Page-locked host memory: what copies need to run beside kernels.
template <class T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t count) : count_(count) {
    void* data = nullptr;
    if (count > 0) check(cudaMallocHost(&data, count * sizeof(T)));
    data_.reset(static_cast<T*>(data));
  }
  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  struct Free {
    void operator()(T* p) const noexcept { (void)cudaFreeHost(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t count_ = 0;
};

// Memory from the device's pool, taken and given back in the order of a stream, which must outlive
// it.
template <class T>
class PoolBuffer {
 public:
  PoolBuffer() = default;
  PoolBuffer(Stream stream, std::size_t count) : count_(count) {
    void* data = nullptr;
    if (count > 0) check(cudaMallocAsync(&data, count * sizeof(T), stream.handle));
    data_ = {static_cast<T*>(data), Free{stream}};
  }
  [[nodiscard]] T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  struct Free {
    Stream stream;
    void operator()(T* p) const noexcept { (void)cudaFreeAsync(p, stream.handle); }
  };
  std::unique_ptr<T, Free> data_{nullptr, Free{}};
  std::size_t count_ = 0;
};

// What `work` queues on `stream`, as a graph to be launched again and again. Nothing runs here.
// `work` must not allocate, wait, or touch other streams that it does not fork from and join to
// this one.
template <class Work>
OwnedGraphExec capture(Stream stream, Work&& work) {
  check(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    (void)cudaStreamEndCapture(stream.handle, &graph);
    const OwnedGraph unfinished(graph);
    throw;
  }
  check(cudaStreamEndCapture(stream.handle, &graph));
  const OwnedGraph owned(graph);
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0));
  return OwnedGraphExec(executable);
}

}  // namespace fovea::cuda
