// A new folder that goes away with its content.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "engine/core/error.h"

namespace fovea {

// In memory where Linux offers that: thousands of damaged stores are written, and disk file systems
// take milliseconds for each. The name is one that nothing has: tests run side by side, a killed one
// leaves its folder behind, and process numbers come round again.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const bool memory = ::access("/dev/shm", W_OK) == 0;
    std::string path = str(memory ? "/dev/shm/" : testing::TempDir(), "fovea_XXXXXX");
    require(::mkdtemp(path.data()) != nullptr, "cannot create ", path, ": ", std::strerror(errno));
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace fovea
