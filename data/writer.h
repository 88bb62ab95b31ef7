// Writes a store file (data/FORMAT.md): records one after the other, then views, then commit.
//
// Payloads go to disk as they come; in memory stay about 100 bytes per record and the index lists
// of the views. The file appears under its name only after commit; without it nothing is left
// behind (but for the partial file of a writer that may be resumed). Not for concurrent use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/format.h"
#include "data/resume_log.h"
#include "engine/core/fields.h"
#include "engine/core/file.h"
#include "engine/core/json.h"

namespace fovea {

class Store;
struct View;

enum class Encoding : std::uint8_t { kRaw = 0, kJpeg = 1, kPng = 2, kFloat = 3 };
template <>
inline constexpr EnumTable<Encoding, 4> enum_names<Encoding>{{{"raw", Encoding::kRaw},
                                                              {"jpeg", Encoding::kJpeg},
                                                              {"png", Encoding::kPng},
                                                              {"float", Encoding::kFloat}}};
// Bytes of a value in a payload that is not compressed.
constexpr std::uint64_t value_size(Encoding encoding) {
  return encoding == Encoding::kFloat ? 4 : 1;
}

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

struct WriterOptions {
  bool overwrite = false;
  // Above 0, payloads go to files of about this size beside the store ("<store>.shard-0", ...).
  std::uint64_t shard_bytes = 0;
  // Not empty: a killed writer leaves "<store>.partial", and the next writer with the same key
  // finds the records that are whole there. The key says all that the payloads depend on. Not with
  // shards.
  std::string resume_key = {};
};

class StoreWriter {
 public:
  // Error when `path` exists and `overwrite` is false, or when a column name is empty or repeated.
  StoreWriter(std::filesystem::path path, std::vector<ColumnSpec> columns, WriterOptions options);
  StoreWriter(std::filesystem::path path, std::vector<ColumnSpec> columns, bool overwrite)
      : StoreWriter(std::move(path), std::move(columns), WriterOptions{.overwrite = overwrite}) {}

  // Appends a segment to a copy of `base` that replaces it at commit. `columns` begin with those of
  // `base`, whose classes begin with those there; old records lack the labels of new columns. Views
  // are added anew. New payloads go to the file itself, or to new shards where base has any (of
  // `shard_bytes`, or 1 GiB).
  StoreWriter(const Store& base, std::vector<ColumnSpec> columns, std::uint64_t shard_bytes = 0);

  // Appends a record and returns its number: 0, 1, ... A raw payload is channels * height * width
  // bytes in planes, blue, green, red (data/image.h), a float one as many float32; an encoded one
  // is the JPEG or PNG file. Error on a label out of range.
  std::uint32_t add(const NewRecord& record, std::span<const std::uint8_t> payload);

  // Records of a killed writer that are still to be taken over by resume(), before any add().
  [[nodiscard]] std::size_t resumable() const;
  // Takes over the next one, with the source and labels that add() was told.
  std::uint32_t resume(std::string source, std::vector<std::int32_t> labels);

  // Removes what a later writer would go on from; only destruction may follow.
  void discard();

  // `target` names the column that the view is about, or is empty. `provenance` is a JSON object.
  void add_view(const std::string& name, std::string_view target,
                std::span<const std::uint32_t> records, const Json& provenance);
  // A view of the store that is appended to, or one like it.
  void add_view_of(const Store& base, const View& view);

  // Writes index and trailer, syncs, and renames into place. `metadata` is a JSON object.
  void commit(const Json& metadata);

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(records_.size()); }
  [[nodiscard]] const std::vector<ColumnSpec>& columns() const { return specs_; }

 private:
  struct OpenShard {
    std::string name;
    std::unique_ptr<AtomicFile> file;
  };

  void add_columns();
  void check(const NewRecord& record, std::uint64_t payload_size) const;
  void add_entry(const store_format::RecordEntry& entry, const NewRecord& record);
  AtomicFile& payload_file(std::uint64_t size);
  void open_shard();
  std::uint32_t add_string(std::string_view text);
  void write_trailer(const std::string& index);
  [[nodiscard]] std::string index(const Json& metadata) const;

  std::filesystem::path path_;
  std::uint64_t shard_bytes_ = 0, previous_trailer_ = 0;
  std::optional<MadeFolders> folders_;  // before all that is written: it goes last
  std::optional<ResumeLog> log_;
  std::unique_ptr<AtomicFile> file_;
  std::vector<OpenShard> open_shards_;  // all until commit, so that they appear together
  std::vector<ColumnSpec> specs_;
  std::vector<std::string> view_names_;
  std::vector<std::filesystem::path> replaced_;  // shards of the store that this one overwrites

  // The sections of the index as they grow.
  std::vector<std::uint64_t> string_ends_;
  std::string string_bytes_;
  std::vector<store_format::RecordEntry> records_;
  std::vector<store_format::ColumnEntry> columns_;
  std::vector<std::vector<std::int32_t>> labels_;  // [column][record]
  std::vector<store_format::ViewEntry> views_;
  std::vector<std::uint32_t> view_records_;
  std::vector<store_format::ShardEntry> shards_;
};

}  // namespace fovea
