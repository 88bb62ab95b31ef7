// Which tensors of a plan share memory.
#pragma once

#include "engine/graph/plan.h"

namespace fovea {

// Gives one storage to tensors that may share it, values and gradients by themselves: what aliases
// show, what operations may overwrite, and what is written into its slice of a concatenated tensor,
// if its producer takes that.
void share_storage(Plan& plan, const ExecutorOptions& options);

}  // namespace fovea
