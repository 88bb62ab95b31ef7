// How far apart two devices' results of one layer may be, element by element, derived from its
// formula.
//
// With u = 2^-24 and S the sum of the magnitudes of what is added up to one element:
//   sums of K products        u (8 sqrt(K) + 8) S   (a random walk of K roundings: Higham and Mary
//                             2019, "A new approach to probabilistic rounding error analysis",
//                             with lambda = 8)
//   copies, maxima            0
//   LRN, softmax, losses      the same for their sums, times what a power, an exponential or a
//                             logarithm makes of a relative error, and a few u for the function
// Convolutions of stride 1 may be computed by Winograd's form (Lavin and Gray 2016), which mixes what
// a tile of outputs, or the taps of a filter, is made of: S is the largest of the tile's there.
// Either side may err, so a bound is twice that. S of sums is computed on the device cpu from the
// magnitudes of the inputs.
#pragma once

#include "engine/check/layer_run.h"

namespace fovea {

struct LayerBounds {
  std::vector<Tensor<float>> tops, bottom_grads, param_grads;
};

// `expected` are one side's results for `inputs`; backward bounds only where it has gradients.
[[nodiscard]] LayerBounds layer_bounds(const OpProblem& problem, const LayerInputs& inputs,
                                       const LayerOutputs& expected);

// u (8 sqrt(terms) + 8) for both sides.
[[nodiscard]] double sum_bound(double terms);

}  // namespace fovea
