// The taps of a convolution, visited one by one: what convolution and its relevance share.
#pragma once

#include "kernels/ops/convolution.h"

namespace fovea::reference {

// Calls visit(c, i, r, s, h, w, inside) for every tap of output channel k at (p, q): x[.,c,h,w]
// meets w[k,i,r,s]; (h, w) lies in the image exactly when `inside`.
template <class Visit>
void for_each_tap(const ConvolutionParams& params, const Shape& x, std::int64_t k, std::int64_t p,
                  std::int64_t q, Visit&& visit) {
  const std::int64_t group_inputs = x.c() / params.groups;
  const std::int64_t group = k / (params.outputs / params.groups);
  for (std::int64_t i = 0; i < group_inputs; ++i) {
    for (std::int64_t r = 0; r < params.kernel[0]; ++r) {
      const std::int64_t h = p * params.stride[0] - params.pad[0] + r;
      for (std::int64_t s = 0; s < params.kernel[1]; ++s) {
        const std::int64_t w = q * params.stride[1] - params.pad[1] + s;
        const bool inside = h >= 0 && h < x.h() && w >= 0 && w < x.w();
        visit(group * group_inputs + i, i, r, s, h, w, inside);
      }
    }
  }
}

// Calls visit(n, k, p, q) for every element of a tensor of shape y.
template <class Visit>
void for_each_element(const Shape& y, Visit&& visit) {
  for (std::int64_t n = 0; n < y.n(); ++n) {
    for (std::int64_t k = 0; k < y.c(); ++k) {
      for (std::int64_t p = 0; p < y.h(); ++p) {
        for (std::int64_t q = 0; q < y.w(); ++q) visit(n, k, p, q);
      }
    }
  }
}

}  // namespace fovea::reference
