// Caffe's net description (prototxt text, `layer` and V1 `layers` syntax) as a net definition.
#pragma once

#include <string>

#include "engine/graph/net_definition.h"
#include "engine/graph/prototxt.h"

namespace fovea {

// Layers of `options.phase` only (kDeploy keeps what has no phase rule or TEST). Data layers become
// inputs "data" and "label" of options.batch (default: the file's batch_size) and the crop size.
// All unknown layer types are listed in one Error; a field that would change the result and is not
// supported is an Error.
[[nodiscard]] NetDefinition caffe_net(const ProtoMessage& net, const NetOptions& options,
                                      const std::string& file);

// One Error that lists the unknown layer types of all phases.
void require_known_caffe_layers(const ProtoMessage& net, const std::string& file);

// Whether the rules of a `layer` message keep it in a phase; whether its type reads data.
[[nodiscard]] bool caffe_layer_in_phase(const ProtoMessage& layer, Phase phase);
[[nodiscard]] bool is_caffe_data_layer(const ProtoMessage& layer);

// One `layer` message; Error where the type is unknown.
[[nodiscard]] LayerDefinition caffe_layer(const ProtoMessage& layer);

}  // namespace fovea
