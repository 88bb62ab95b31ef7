#include "engine/train/layer_rates.h"

#include <fnmatch.h>

#include <variant>

#include "engine/core/fields.h"

namespace fovea {
namespace {

// Calls change(multipliers) for every learnable parameter that `pattern` fits.
template <class Change>
void for_each_match(NetDefinition& net, const std::string& pattern, const std::string& where,
                    Change&& change) {
  const auto fits = [&](const std::string& name) {
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  };
  bool any = false;
  std::vector<std::string> known;
  for (LayerDefinition& layer : net.layers) {
    if (!std::holds_alternative<ConvolutionParams>(layer.op) &&
        !std::holds_alternative<InnerProductParams>(layer.op))
      continue;
    known.push_back(layer.name);
    layer.params.resize(2);
    for (std::size_t i = 0; i < 2; ++i) {
      if (!fits(layer.name) && !fits(layer.name + (i == 0 ? ".weight" : ".bias"))) continue;
      change(layer.params[i]);
      any = true;
    }
  }
  require(any, "unknown layer in ", where, ": '", pattern,
          "' fits no layer with parameters of net ", net.name, did_you_mean(pattern, known));
}

}  // namespace

void apply_layer_rates(NetDefinition& net, const std::vector<LayerRate>& rates,
                       const std::vector<std::string>& freeze, const std::string& where) {
  for (const LayerRate& rate : rates) {
    for_each_match(net, rate.layers, where + ".layer_rates", [&](ParamMultipliers& m) {
      m.lr_mult *= rate.lr_mult, m.decay_mult *= rate.decay_mult;
    });
  }
  for (const std::string& pattern : freeze)
    for_each_match(net, pattern, where + ".freeze", [](ParamMultipliers& m) { m.lr_mult = 0; });
}

}  // namespace fovea
