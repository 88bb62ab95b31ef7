// Convolution in double; contract and letters: kernels/ops/convolution.h.
#pragma once

#include "kernels/ops/convolution.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// y[n,k,p,q] = b[k] + sum_{c,r,s} w[k,c,r,s] x[n, g*C/G + c, p*stride - pad + r, ...]; b may be
// null.
void convolution(const ConvolutionParams& params, Input x, Input w, Input b, Output y);

// dx, dw, db for the gradient dy of y.
void convolution_gradient(const ConvolutionParams& params, Input x, Input w, Input dy, Output dx,
                          Output dw, Output db);

}  // namespace fovea::reference
