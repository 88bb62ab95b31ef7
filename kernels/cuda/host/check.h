// CUDA's error codes as exceptions.
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

}  // namespace fovea::cuda
