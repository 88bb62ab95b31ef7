// A libFuzzer target is a call of FOVEA_FUZZ with what to do with the bytes: an Error is as good as
// a result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/error.h"

#define FOVEA_FUZZ(use)                                                               \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    try {                                                                             \
      (use)(std::string_view(reinterpret_cast<const char*>(data), size));             \
    } catch (const fovea::Error&) {                                                   \
    }                                                                                 \
    return 0;                                                                         \
  }
