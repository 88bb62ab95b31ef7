// 1x1 convolutions of one tensor as one matrix product, which reads the tensor once, and backward
// writes one gradient of it instead of several to be added up.
//
// y_i[n,k,h,w] = b_i[k] + sum_c w_i[k,c] x[n,c,h,w], for i = 0 .. m - 1
//
//   x (N,C,H,W)  w_i (K_i,C,1,1)  b_i (K_i)  y_i (N,K_i,H,W); stride 1, no padding, one group
//   backward: dx = sum over i of w_i^T dy_i
//
// As an OpProblem: a convolution of K_0 + ... + K_(m-1) outputs with a top for each sibling;
// parameters w_0, b_0, w_1, b_1, ... (no b without bias). Only implementations of
// create_siblings() (engine/backend/registry.h) meet one. Inception modules are full of them
// (Szegedy et al. 2015, "Going deeper with convolutions", figure 2b).
#pragma once

#include "kernels/ops/convolution.h"

namespace fovea {

// Whether a convolution may be one of several siblings.
inline bool is_sibling(const ConvolutionParams& p) {
  return p.kernel == Extent2{1, 1} && p.stride == Extent2{1, 1} && p.pad == Extent2{0, 0} &&
         p.groups == 1;
}

}  // namespace fovea
