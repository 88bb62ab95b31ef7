// A libFuzzer target is a call of FOVEA_FUZZ with what to do with the bytes: an Error is as good as
// a result.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace fovea {

// The bytes as a file, for readers that take a path; in memory where there is such a place.
class ScratchFile {
 public:
  explicit ScratchFile(std::string_view bytes) { std::ofstream(path(), std::ios::binary) << bytes; }
  ~ScratchFile() { ::unlink(path().c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  static const std::string& path() {
    static const std::string path =
        str(std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp", "/fovea_fuzz_", ::getpid());
    return path;
  }
};

}  // namespace fovea

#define FOVEA_FUZZ(use)                                                               \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    try {                                                                             \
      (use)(std::string_view(reinterpret_cast<const char*>(data), size));             \
    } catch (const fovea::Error&) {                                                   \
    }                                                                                 \
    return 0;                                                                         \
  }
