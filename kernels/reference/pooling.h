// Pooling in double; contract and letters: kernels/ops/pooling.h.
//
// A window that lies wholly outside the image (stride > kernel without padding) gives -FLT_MAX
// (max, as Caffe) or 0 (average) and has no gradient.
#pragma once

#include <span>

#include "kernels/ops/pooling.h"
#include "kernels/reference/views.h"

namespace fovea::reference {

// For max pooling argmax[j], with j the index of the element of y, becomes h * W + w of the winner
// within its channel, or -1 where there is none. Average pooling leaves it alone.
void pooling(const PoolingParams& params, Input x, Output y, std::span<std::int64_t> argmax);

void pooling_gradient(const PoolingParams& params, Input dy, std::span<const std::int64_t> argmax,
                      Output dx);

}  // namespace fovea::reference
