// Files: whole-file reading, and writing that appears complete or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/json.h"

namespace fovea {

// The file's bytes. Error "cannot read FILE: <reason>".
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

// Parsed JSON; a syntax error names the file, line and column.
[[nodiscard]] Json read_json_file(const std::filesystem::path& path);

// The folder of a file that is about to be written, made with those above it where they are
// missing. At the end those that it made and that are empty, because nothing was written, go again.
class MadeFolders {
 public:
  explicit MadeFolders(const std::filesystem::path& file);
  ~MadeFolders();
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

 private:
  std::vector<std::filesystem::path> made_;  // innermost first
};

// A file written under a temporary name beside `path`; commit() syncs it to disk and renames it
// into place. Folders on the way to it that are missing are made. Destroyed without commit, it
// leaves nothing behind. Write errors (a full disk) throw
// Error naming `path`.
class AtomicFile {
 public:
  // Error when `path` exists and `overwrite` is false.
  explicit AtomicFile(std::filesystem::path path, bool overwrite = true);
  // The same under the temporary name `partial`, which stays when this is destroyed without commit,
  // so that a later run can go on: the first `keep` bytes of it are kept, the rest is cut off.
  AtomicFile(std::filesystem::path path, bool overwrite, std::filesystem::path partial,
             std::uint64_t keep);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Writes what the file `source` holds, sharing its blocks where the file system can and this file
  // is still empty.
  void copy(const std::filesystem::path& source);
  // Bytes written so far.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void commit();

 private:
  void open(int flags);
  void fail(const char* action, int error);

  std::filesystem::path path_, temporary_;
  std::optional<MadeFolders> folders_;
  int descriptor_ = -1;
  bool keep_partial_ = false;
  std::uint64_t size_ = 0;
};

// Adds `bytes` to the end of `path`, which need not exist; Error naming it when that fails. For
// logs: no other write is in place.
void append_to_file(const std::filesystem::path& path, std::string_view bytes);

// AtomicFile with the whole content at hand.
void write_file(const std::filesystem::path& path, std::string_view content, bool overwrite = true);

}  // namespace fovea
