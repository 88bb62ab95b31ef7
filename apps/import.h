// What the import commands share.
#pragma once

#include <filesystem>
#include <string>

#include "engine/graph/caffe_import.h"

namespace fovea::apps {

// "Some net/v1" -> "Some_net_v1": a net's name as a file's.
[[nodiscard]] std::string file_name_of(const std::string& net);

}  // namespace fovea::apps
