// What looks wrong in one step of a relevance walk.
#pragma once

#include <string>
#include <vector>

#include "kernels/ops/relevance_kernels.h"

namespace fovea {

class RelevanceStep;

// Per image: what the step is judged by.
struct StepSums {
  ImageSums tops, bottoms;
  AbsorbedSums absorbed;
};

// Whether step_warnings() would have something to say of it.
[[nodiscard]] bool looks_wrong(const StepSums& sums);

// Lines for the images in which relevance is no longer finite (naming the first such unit of a
// bottom), in which its magnitude grew more than a thousandfold, or in which a sum of both signs
// came within a millionth of the layer's largest to zero (naming the unit of the top). The tensors
// lie in `device`'s memory.
[[nodiscard]] std::vector<std::string> step_warnings(const std::string& layer, Device& device,
                                                     const RelevanceStep& step,
                                                     const std::vector<OpTensor>& bottoms,
                                                     const OpTensor& top,
                                                     std::span<const StepSums> sums);

}  // namespace fovea
