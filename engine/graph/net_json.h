// Fovea's own net description; every key is documented in nets/README.md.
#pragma once

#include <string>

#include "engine/core/json.h"
#include "engine/graph/net_definition.h"

namespace fovea {

// Layers of `options.phase` from a parsed net file. Inputs of kTrain and kTest are the file's input
// and "label".
[[nodiscard]] NetDefinition json_net(const Json& json, const NetOptions& options,
                                     const std::string& file);

}  // namespace fovea
