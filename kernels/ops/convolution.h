// y[n,k,p,q] = b[k] + sum_{c,r,s} w[k,c,r,s] x[n, g*C/G + c, p*stride - pad + r, q*stride - pad +
// s]
//
//   x (N,C,H,W)  w (K,C/G,R,S)  b (K)  y (N,K,P,Q); taps outside the image are 0; g = group of
//   channel k. P = floor((H + 2 pad - R) / stride) + 1 (Caffe base_conv_layer.cpp).
#pragma once

#include "engine/core/shape.h"
#include "kernels/ops/filler.h"
#include "kernels/ops/geometry.h"

namespace fovea {

struct ConvolutionParams {
  std::int64_t outputs = 0;  // K
  Extent2 kernel{1, 1}, stride{1, 1}, pad{0, 0};
  std::int64_t groups = 1;
  bool bias = true;
  Filler weight_filler, bias_filler;

  bool operator==(const ConvolutionParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("outputs", p.outputs), v("kernel", p.kernel), v("stride", p.stride), v("pad", p.pad),
        v("groups", p.groups);
    v("bias", p.bias), v("weight_filler", p.weight_filler), v("bias_filler", p.bias_filler);
  }
};

inline Shape output_shape(const ConvolutionParams& p, const Shape& x) {
  return {x.n(), p.outputs, convolution_extent(x.h(), p.kernel[0], p.stride[0], p.pad[0]),
          convolution_extent(x.w(), p.kernel[1], p.stride[1], p.pad[1])};
}
inline Shape weight_shape(const ConvolutionParams& p, const Shape& x) {
  return {p.outputs, x.c() / p.groups, p.kernel[0], p.kernel[1]};
}

}  // namespace fovea
