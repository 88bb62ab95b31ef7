// Stands in for the emulated kernels in a build without Boost.Context.
#include "kernels/cuda/implementations.h"

namespace fovea::emulated {

Target target() { return {}; }

}  // namespace fovea::emulated
