// Max: y[n,c,p,q] = max over the window of x[n,c,h,w]; padding is absent, not zero; among equal
// values the first
//   in row-major order wins, and the gradient goes to it alone.
// Average: sum over the window inside the image / (rows * columns of the window clipped to [.., H +
// pad)), so the
//   divisor counts padding but not the overhang beyond it; the gradient is dy / divisor.
//   x (N,C,H,W), y (N,C,P,Q) with Caffe's ceil-mode extents (geometry.h). Caffe pooling_layer.cpp.
#pragma once

#include "engine/core/fields.h"
#include "engine/core/shape.h"
#include "kernels/ops/geometry.h"

namespace fovea {

enum class PoolingMode { kMax, kAverage };
template <>
inline constexpr EnumTable<PoolingMode, 2> enum_names<PoolingMode>{
    {{"max", PoolingMode::kMax}, {"average", PoolingMode::kAverage}}};

struct PoolingParams {
  PoolingMode mode = PoolingMode::kMax;
  Extent2 kernel{1, 1}, stride{1, 1}, pad{0, 0};
  bool global = false;  // one window over the whole image; kernel, stride and pad are then unused

  bool operator==(const PoolingParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("mode", p.mode), v("kernel", p.kernel), v("stride", p.stride), v("pad", p.pad),
        v("global", p.global);
  }
};

// The same pooling with `global` written out as a window over all of x.
inline PoolingParams resolved(PoolingParams p, const Shape& x) {
  if (p.global) p.kernel = {x.h(), x.w()}, p.stride = {1, 1}, p.pad = {0, 0}, p.global = false;
  return p;
}

inline Shape output_shape(const PoolingParams& params, const Shape& x) {
  const PoolingParams p = resolved(params, x);
  const bool any_pad = p.pad[0] > 0 || p.pad[1] > 0;
  return {x.n(), x.c(), pooling_extent(x.h(), p.kernel[0], p.stride[0], p.pad[0], any_pad),
          pooling_extent(x.w(), p.kernel[1], p.stride[1], p.pad[1], any_pad)};
}

}  // namespace fovea
