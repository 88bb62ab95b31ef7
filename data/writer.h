// Writes a store file (data/FORMAT.md): records one after the other, then views, then commit.
//
// Payloads go to disk as they come; in memory stay about 100 bytes per record and the index lists
// of the views. The file appears under its name only after commit; without it nothing is left
// behind. Not for concurrent use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/format.h"
#include "engine/core/fields.h"
#include "engine/core/file.h"

namespace fovea {

enum class Encoding : std::uint8_t { kRaw = 0, kJpeg = 1, kPng = 2 };
template <>
inline constexpr EnumTable<Encoding, 3> enum_names<Encoding>{
    {{"raw", Encoding::kRaw}, {"jpeg", Encoding::kJpeg}, {"png", Encoding::kPng}}};

// The value of a label that a record does not have.
inline constexpr std::int32_t kMissing = -1;

// A label column: its values are indices into `classes`.
struct ColumnSpec {
  std::string name;
  std::vector<std::string> classes;
};

struct NewRecord {
  Encoding encoding = Encoding::kRaw;
  int channels = 3, height = 0, width = 0;
  std::string source;                // where it came from; need not be unique
  std::vector<std::int32_t> labels;  // one per column, kMissing or a class index
};

class StoreWriter {
 public:
  // Error when `path` exists and `overwrite` is false, or when a column name is empty or repeated.
  StoreWriter(std::filesystem::path path, std::vector<ColumnSpec> columns, bool overwrite);

  // Appends a record and returns its number: 0, 1, ... A raw payload is channels * height * width
  // bytes in planes, blue, green, red (data/image.h); an encoded one is the JPEG or PNG file. Error
  // on a label out of range.
  std::uint32_t add(const NewRecord& record, std::span<const std::uint8_t> payload);

  // `target` names the column that the view is about, or is empty. `provenance` is a JSON object.
  void add_view(const std::string& name, std::string_view target,
                std::span<const std::uint32_t> records, const Json& provenance);

  // Writes index and trailer, syncs, and renames into place. `metadata` is a JSON object.
  void commit(const Json& metadata);

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(records_.size()); }

 private:
  std::uint32_t add_string(std::string_view text);
  void pad();
  [[nodiscard]] std::string index(const Json& metadata) const;

  std::filesystem::path path_;
  AtomicFile file_;
  std::vector<ColumnSpec> specs_;
  std::vector<std::string> view_names_;

  // The sections of the index as they grow.
  std::vector<std::uint64_t> string_ends_;
  std::string string_bytes_;
  std::vector<store_format::RecordEntry> records_;
  std::vector<store_format::ColumnEntry> columns_;
  std::vector<std::vector<std::int32_t>> labels_;  // [column][record]
  std::vector<store_format::ViewEntry> views_;
  std::vector<std::uint32_t> view_records_;
};

}  // namespace fovea
