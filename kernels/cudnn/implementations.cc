// Every operation of this folder, best first.
#include "kernels/cudnn/implementations.h"

#include "kernels/cudnn/library.h"

namespace fovea::cudnn {

extern const Implementation kConvolutionBf16, kConvolution, kInnerProduct, kPooling, kLrn, kSoftmax;

Offer offer() {
  const Runtime& found = runtime();
  if (!found.library) return {.implementations = {}, .version = {}, .missing = found.missing};
  return {.implementations = {&kConvolutionBf16, &kConvolution, &kInnerProduct, &kPooling, &kLrn,
                              &kSoftmax},
          .version = found.library->version,
          .missing = {}};
}

}  // namespace fovea::cudnn
