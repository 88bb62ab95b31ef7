// The power that local response normalisation raises its sums to.
#pragma once

#include "kernels/cuda/device/target.cuh"

namespace fovea::FOVEA_TARGET {

// s^-beta; beta = 0.75, which every net of the study has, in two instructions of the special unit.
__device__ __forceinline__ float negative_power(float s, float beta) {
  if (beta == 0.75F) {
    const float r = rsqrtf(s);
    return r * sqrtf(r);
  }
  return powf(s, -beta);
}

}  // namespace fovea::FOVEA_TARGET
