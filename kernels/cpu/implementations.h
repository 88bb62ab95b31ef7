// The CPU implementations, for engine/backend/registry.cc.
#pragma once

#include "kernels/ops/op.h"

namespace fovea {

extern const Implementation kCpuWinogradConvolution;
extern const Implementation kOnednnBf16Convolution;
extern const Implementation kOnednnConvolution;
extern const Implementation kOnednnDirectConvolution;
extern const Implementation kOnednnBf16InnerProduct;
extern const Implementation kOnednnInnerProduct;
extern const Implementation kCpuPooling;
extern const Implementation kCpuBlockedLrn;
extern const Implementation kCpuLrn;
extern const Implementation kCpuRelu;
extern const Implementation kCpuDropout;
extern const Implementation kCpuConcat;
extern const Implementation kCpuSplit;

}  // namespace fovea
