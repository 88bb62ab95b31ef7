// What differs between two stores.
#pragma once

#include "data/store.h"
#include "engine/core/json.h"

namespace fovea {

// Records are matched by source (the n-th of equal ones with the n-th), and compared by size,
// pixels (decoded, so that PNG equals raw) and the names of their labels; views by name, as lists
// of sources. {"equal", "only_in_a", "only_in_b", "pixels", "labels", "views": counts,
//  "examples": {kind: [up to five]}}.
[[nodiscard]] Json diff_stores(const Store& a, const Store& b, int threads);

}  // namespace fovea
