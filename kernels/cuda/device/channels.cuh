// kWidth neighbouring channels of a channels-last tensor in registers: 1, or 4 as one 16-byte
// access.
#pragma once

#include "kernels/cuda/device/vector.cuh"

namespace fovea::FOVEA_TARGET {

template <int kWidth>
struct Channels {
  float value[kWidth];
};

template <int kWidth>
__device__ __forceinline__ Channels<kWidth> load_channels(const float* p) {
  if constexpr (kWidth == 4) {
    const float4 v = load4(p);
    return {{v.x, v.y, v.z, v.w}};
  } else {
    return {{*p}};
  }
}
template <int kWidth>
__device__ __forceinline__ void store_channels(float* p, const Channels<kWidth>& v) {
  if constexpr (kWidth == 4) {
    store4(p, make_float4(v.value[0], v.value[1], v.value[2], v.value[3]));
  } else {
    *p = v.value[0];
  }
}

}  // namespace fovea::FOVEA_TARGET
