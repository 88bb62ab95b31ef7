// y[n,k] = b[k] + sum_i w[k,i] x[n,i]      x (N,...) flattened to (N,I), w (K,I), b (K), y (N,K).
#pragma once

#include "engine/core/shape.h"
#include "kernels/ops/filler.h"

namespace fovea {

struct InnerProductParams {
  std::int64_t outputs = 0;  // K
  bool bias = true;
  Filler weight_filler, bias_filler;

  bool operator==(const InnerProductParams&) const = default;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("outputs", p.outputs), v("bias", p.bias), v("weight_filler", p.weight_filler),
        v("bias_filler", p.bias_filler);
  }
};

inline Shape output_shape(const InnerProductParams& p, const Shape& x) {
  return {x.n(), p.outputs};
}
inline Shape weight_shape(const InnerProductParams& p, const Shape& x) {
  return {p.outputs, x.count_from(1)};
}

}  // namespace fovea
