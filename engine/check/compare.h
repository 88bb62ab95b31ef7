// Two sides of a layer's result, element by element.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace fovea {

// One tensor of one layer on one device beside the first device's.
struct CheckLine {
  std::string layer, type;  // "conv1", "convolution"
  std::string what;         // "forward", "backward data", "backward weights", "relevance"
  std::string rule;         // of relevance
  std::string device, implementation;
  double first_s = 0, seconds = 0;  // one call on the first device, and on this one
  double max_error = 0;
  // The element with the largest share of its bound: its plain index in tensor number `tensor`.
  int tensor = 0;
  std::int64_t index = 0;
  double expected = 0, actual = 0, error = 0, bound = 0;
  bool ok = true;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("layer", c.layer), v("type", c.type), v("what", c.what), v("rule", c.rule),
        v("device", c.device), v("implementation", c.implementation), v("first_s", c.first_s),
        v("seconds", c.seconds), v("max_error", c.max_error), v("tensor", c.tensor),
        v("index", c.index), v("expected", c.expected), v("actual", c.actual), v("error", c.error),
        v("bound", c.bound), v("ok", c.ok);
  }
};

// The line of two sides of one or more tensors with their bounds; a bound is multiplied by `scale`.
// What is not a number is always off.
void compare(const std::vector<Tensor<float>>& actual, const std::vector<Tensor<float>>& expected,
             const std::vector<Tensor<float>>& bounds, double scale, CheckLine& line);

}  // namespace fovea
