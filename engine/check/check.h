// A net's layers side by side on several devices: forward, backward, relevance.
//
// Every layer gets the same inputs on every device, those that the first device made, so that
// errors do not add up over layers. What the devices give is compared with what the first one gave,
// element by element, with bounds derived from the layer's formula (bounds.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/check/compare.h"
#include "engine/check/layer_run.h"
#include "engine/graph/executor.h"
#include "engine/relevance/composite.h"
#include "engine/relevance/step.h"

namespace fovea {

struct CheckOptions {
  std::vector<std::string> devices = {"reference", "cpu"};  // the first is what the others meet
  std::string layers = "*";  // by pattern; those between are run on the CPU, unchecked
  // Presets whose rules the layers are explained by; "all": every rule that a layer has.
  std::vector<std::string> rules = {"all"};
  // With kDistribute linear layers go by those of the rules that can spread a bias over its taps.
  BiasRule bias = BiasRule::kAbsorb;
  std::uint64_t seed = 0;  // of the input, the labels and what comes from above
  double bound_scale = 1;  // bounds times this
  std::function<void(std::size_t layer, std::size_t layers, const std::string& name)> progress;
  std::function<void(const CheckLine&)> found;  // each line as soon as it is there
  // For tests: what device `device` gets instead, and the rules that it goes by.
  std::function<void(const std::string& device, const std::string& layer, LayerInputs&)> disturb;
  std::function<void(const std::string& device, const std::string& layer, RelevanceRule&)>
      disturb_rule;
  std::function<void(const std::string& device, const std::string& layer, OtherRules&)>
      disturb_other_rule;
  std::function<void(const std::string& device, const std::string& layer, DistributedRule&)>
      disturb_distributed_rule;
};

// `model` holds the graph and the parameters; it is not run. Error where a device is missing or a
// pattern matches nothing.
std::vector<CheckLine> check_net(const Executor& model, const CheckOptions& options);

}  // namespace fovea
