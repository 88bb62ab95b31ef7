// Caffe's SGD update of all parameters of a net in a device's memory (kernels/cpu/sgd.h has the
// formula of one).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea {

// One parameter; everything in the device's memory, `count` floats each.
struct SgdBlob {
  float *weights = nullptr, *history = nullptr;
  const float* gradient = nullptr;
  float* accumulated = nullptr;  // sums of gradients, which then take the gradient's place; or null
  std::int64_t count = 0;
  float rate = 1;   // lr_mult
  float decay = 0;  // weight_decay * decay_mult
};

// What changes from update to update; it lies in the device's memory, too.
struct SgdCall {
  float gradient_scale = 1;  // clipping factor / iter_size
  float rate = 0, momentum = 0;
  bool l1 = false;  // decay by sign(w), sign(0) = 0, instead of w
};

// Made for one list of parameters.
class SgdKernels {
 public:
  virtual ~SgdKernels() = default;
  // v <- momentum v + rate (gradient_scale g + decay w), w <- w - v.
  virtual void update(const SgdCall& call) = 0;
  // accumulated <- g, or += g, of the parameters [from, to) of the list.
  virtual void accumulate(bool first, std::size_t from, std::size_t to) = 0;
  // Of what update() would read as gradients, in double in a fixed order.
  [[nodiscard]] virtual double sum_of_squares() = 0;
};

}  // namespace fovea
