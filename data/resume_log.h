// Which records of a partial store file are whole: an append-only file beside it, so that a killed
// packing run can go on.
//
// The partial file holds the header and payloads as in a finished store; the log holds the CRC32C
// of a key (what the payloads depend on), then for every payload its record entry and the CRC32C of
// that. Nothing is synced: what a power cut loses shows in the checksums and is packed again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "data/format.h"

namespace fovea {

class ResumeLog {
 public:
  // Reads "<store>.partial" and "<store>.partial.log" if they are there and belong to `key`, and
  // begins the log anew with the records that were found whole.
  ResumeLog(const std::filesystem::path& store, const std::string& key);

  [[nodiscard]] const std::filesystem::path& partial() const { return partial_; }
  // The records that are whole in the partial file, in order.
  [[nodiscard]] std::span<const store_format::RecordEntry> found() const { return found_; }
  // How much of the partial file to keep.
  [[nodiscard]] std::uint64_t keep() const;

  void append(const store_format::RecordEntry& entry);
  // Removes both files (the partial one has another name when its store was committed).
  void remove();

 private:
  std::filesystem::path partial_, file_;
  std::vector<store_format::RecordEntry> found_;
  std::ofstream out_;
};

}  // namespace fovea
