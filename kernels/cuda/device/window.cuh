// Windows that slide over one axis, and which of them cover a place.
#pragma once

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

struct Window {
  int begin, end;
};

// Inputs [begin, end) of the window of `output` that are not padding.
__device__ __forceinline__ Window clipped(int output, int kernel, int stride, int pad, int extent) {
  const int start = output * stride - pad;
  return {max(start, 0), min(start + kernel, extent)};
}
// Outputs [begin, end) whose windows cover `input`.
__device__ __forceinline__ Window covering(int input, int kernel, int stride, int pad,
                                           int outputs) {
  const int first = input + pad - kernel + 1;  // smallest start of such a window
  return {first <= 0 ? 0 : (first + stride - 1) / stride, min((input + pad) / stride + 1, outputs)};
}

}  // namespace fovea::FOVEA_TARGET
