// cuDNN and cuBLAS as implementations of our operations, for engine/backend.
#pragma once

#include <string>
#include <vector>

#include "kernels/ops/op.h"

namespace fovea::cudnn {

// What this machine has of them.
struct Offer {
  std::vector<const Implementation*> implementations;  // best first; empty: see `missing`
  std::string version;                                 // "cuDNN 9.19.0, cuBLAS 13.1.0"
  std::string missing;                                 // one line
};
// The libraries are looked for at the first call. kernels/absent where the build lacks their
// headers.
[[nodiscard]] Offer offer();

}  // namespace fovea::cudnn
