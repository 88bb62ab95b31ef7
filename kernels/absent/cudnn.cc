// Stands in for kernels/cudnn in a build without CUDA or without the libraries' headers.
#include "kernels/cudnn/implementations.h"

namespace fovea::cudnn {

Offer offer() {
  return {.implementations = {},
          .version = {},
          .missing =
              "this build has no cuDNN (no nvcc, no cudnn.h or no cublas_v2.h when it was "
              "configured)"};
}

}  // namespace fovea::cudnn
