// Labels as the loss and the accuracy read them.
#pragma once

#include <cmath>

#include "kernels/reference/views.h"

namespace fovea::reference {

// labels[i] as a class index below `classes`, or -1 when it is the ignored one. Error otherwise.
inline std::int64_t label_at(Input labels, std::int64_t i, std::int64_t classes, bool has_ignored,
                             int ignored) {
  const auto label = static_cast<std::int64_t>(std::llround(labels[i]));
  if (has_ignored && label == ignored) return -1;
  require(label >= 0 && label < classes, "wrong label in the batch: ", label, ", expected 0 .. ",
          classes - 1);
  return label;
}

}  // namespace fovea::reference
