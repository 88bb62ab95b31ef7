// A net's layers side by side on several devices: forward, backward, relevance.
//
// Every layer gets the same inputs on every device, those that the first device made, so that
// errors do not add up over layers. What the devices give is compared with what the first one gave,
// element by element, with bounds derived from the layer's formula (bounds.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/check/layer_run.h"
#include "engine/graph/executor.h"

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

struct CheckOptions {
  std::vector<std::string> devices = {"reference", "cpu"};  // the first is what the others meet
  std::string layers = "*";  // by pattern; those between are run on the CPU, unchecked
  // Presets whose tables linear layers are explained by; "all": every one.
  std::vector<std::string> rules = {"all"};
  std::uint64_t seed = 0;  // of the input, the labels and what comes from above
  double bound_scale = 1;  // bounds times this
  std::function<void(std::size_t layer, std::size_t layers, const std::string& name)> progress;
  std::function<void(const CheckLine&)> found;  // each line as soon as it is there
  // For tests: what device `device` gets instead.
  std::function<void(const std::string& device, const std::string& layer, LayerInputs&)> disturb;
};

// `model` holds the graph and the parameters; it is not run. Error where a device is missing or a
// pattern matches nothing.
std::vector<CheckLine> check_net(const Executor& model, const CheckOptions& options);

// The line of two sides of one or more tensors with their bounds; a bound is multiplied by `scale`.
// What is not a number is always off.
void compare(const std::vector<Tensor<float>>& actual, const std::vector<Tensor<float>>& expected,
             const std::vector<Tensor<float>>& bounds, double scale, CheckLine& line);

}  // namespace fovea
