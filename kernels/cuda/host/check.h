// CUDA's error codes as exceptions, and the thread's current device as a scope.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>

#include "engine/core/error.h"

namespace fovea::cuda {

// Throws Error with CUDA's own words unless `code` is success.
inline void check(cudaError_t code, std::source_location where = std::source_location::current()) {
  if (code == cudaSuccess) return;
  throw Error(str("CUDA: ", cudaGetErrorString(code), " (", cudaGetErrorName(code), ") at ",
                  where.file_name(), ":", where.line()));
}

// Makes `device` the calling thread's for its lifetime.
class DeviceScope {
 public:
  explicit DeviceScope(int device) : device_(device) {
    check(cudaGetDevice(&previous_));
    if (device_ != previous_) check(cudaSetDevice(device_));
  }
  ~DeviceScope() {
    if (device_ != previous_) (void)cudaSetDevice(previous_);
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int device_, previous_ = 0;
};

}  // namespace fovea::cuda
