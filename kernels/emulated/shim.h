// Included in front of every .cu file that the host compiler turns into the device `emulated`: what
// nvcc would know by itself.
#pragma once

#include "kernels/emulated/async_copy.h"
#include "kernels/emulated/atomics.h"
#include "kernels/emulated/launch.h"
#include "kernels/emulated/math.h"
#include "kernels/emulated/matrix.h"
#include "kernels/emulated/shared.h"
#include "kernels/emulated/sync.h"
#include "kernels/emulated/warp.h"

#define FOVEA_TARGET emulated
#define FOVEA_TARGET_NAME "emulated"

#define __global__ static
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
