// Stands in for kernels/cuda in a build without nvcc.
#include "kernels/cuda/implementations.h"

namespace fovea::cuda {

Target target() { return {}; }

}  // namespace fovea::cuda
