// Net definitions as Fovea's own JSON: the inverse of json_net.
#pragma once

#include <array>
#include <string>

#include "engine/core/json.h"
#include "engine/graph/net_definition.h"

namespace fovea {

// One net in its three phases.
struct NetPhases {
  NetDefinition train, test, deploy;
};

[[nodiscard]] const NetDefinition& phase_of(const NetPhases& net, Phase phase);

// lr_mult of weights and bias, decay_mult of both: all that a layer's parameters can have.
[[nodiscard]] std::array<float, 4> first_multipliers(const LayerDefinition& layer);

// The JSON from which json_net reads the three definitions again. A layer that several phases have
// stands there once, with the list of its phases if those are not all. The outputs of the layers
// that softmaxes and losses read become the parameter "classes", so that training can set them.
// Error where the format cannot say it: another input than one image (and labels), a name that
// begins with '$'.
[[nodiscard]] Json write_net(const NetPhases& net);

// Such a JSON as the text of a file, a layer a line.
[[nodiscard]] std::string net_text(const Json& json);

// `value` without what is equal to `standard`; objects are compared key by key.
[[nodiscard]] Json changes_from(const Json& value, const Json& standard);

}  // namespace fovea
