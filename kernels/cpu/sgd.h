// Caffe's SGD update of one parameter blob in one pass (sgd_solver.cpp): 3 reads and 2 writes an
// element.
//   g' = gradient_scale g + decay w (or decay sign(w)),  v <- momentum v + rate g',  w <- w - v
#pragma once

#include <span>

namespace fovea::cpu {

struct SgdStep {
  float gradient_scale = 1;  // clipping factor / iter_size
  float rate = 0;            // learning rate * lr_mult
  float momentum = 0;
  float decay = 0;  // weight_decay * decay_mult
  bool l1 = false;  // decay by sign(w), sign(0) = 0, instead of w
};

// All three have the same size; w and v are overwritten.
void sgd_update(const SgdStep& step, std::span<float> w, std::span<const float> g,
                std::span<float> v);

// average <- decay average + (1 - decay) w, of equal size.
void average_update(float decay, std::span<float> average, std::span<const float> w);

// Sum of squares in double over fixed chunks in fixed order: the same for any number of threads.
[[nodiscard]] double sum_of_squares(std::span<const float> values);

}  // namespace fovea::cpu
