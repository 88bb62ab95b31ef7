// The text of the Error that an action throws.
#pragma once

#include <string>

#include "engine/core/error.h"

namespace fovea {

// "" when it throws none.
inline std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace fovea
