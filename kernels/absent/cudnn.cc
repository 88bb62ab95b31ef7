// Stands in for kernels/cudnn in a build without CUDA or without the libraries' headers.
#include "kernels/cudnn/implementations.h"

namespace fovea::cudnn {

Offer offer() {
  return {.implementations = {},
          .version = {},
          .missing =
              "this build has no cuDNN: when it was configured there was no nvcc, cudnn.h or "
              "cublas_v2.h, or FOVEA_WITH_CUDNN=OFF"};
}

}  // namespace fovea::cudnn
