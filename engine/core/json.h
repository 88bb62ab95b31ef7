// The name of a JSON document; who looks into one includes json_fields.h.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace fovea {

using Json = nlohmann::ordered_json;  // keys stay in the order they were written

}  // namespace fovea
