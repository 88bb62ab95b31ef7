// Checks a whole store: every record's checksum, earlier segments, and that unused bytes are zero.
// (Header, trailer and index were checked when it was opened.)
#pragma once

#include <cstdint>
#include <functional>

#include "data/store.h"

namespace fovea {

// Error naming the damaged records (the first five and how many), or what else is damaged.
void verify_store(const Store& store, int threads,
                  const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace fovea
