// A whole file mapped read-only into memory.
//
// The file must not be shortened in place while it is mapped (a read behind its new end would be a
// SIGBUS); Fovea's own writers never do that: they write a new file and rename it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace fovea {

class MappedFile {
 public:
  // Error "cannot read FILE: <reason>".
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  // Lets the system begin to read these bytes from the disk; returns at once.
  void will_need(std::uint64_t offset, std::uint64_t size) const;

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fovea
