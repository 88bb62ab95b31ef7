// Reads a store file (data/FORMAT.md): an mmap of it, records with labels, and views.
//
// Opening checks header, trailer, the index's checksum and every number in the index; a record's
// payload is checked against its checksum when it is first asked for. So a truncated or damaged
// file is one Error that names the file and what is wrong; never a crash, never other pixels.
// Reading takes no lock and writes nothing: any number of threads and processes may read one file,
// also from read-only media. All spans and string_views live as long as the Store.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/format.h"
#include "data/image.h"
#include "data/index.h"
#include "data/mapped_file.h"
#include "data/writer.h"

namespace fovea {

struct RecordInfo {
  Encoding encoding = Encoding::kRaw;
  int channels = 3, height = 0, width = 0;
  std::uint64_t payload_size = 0;
  std::string_view source;

  // Bytes of the decoded planes.
  [[nodiscard]] std::size_t plane_bytes() const {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) *
           static_cast<std::size_t>(width);
  }
};

// Whether the file is there and begins as a store does.
[[nodiscard]] bool is_store(const std::filesystem::path& path);

class Store {
 public:
  explicit Store(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint32_t size() const {
    return static_cast<std::uint32_t>(index_.records.size());
  }
  [[nodiscard]] const Json& metadata() const { return index_.metadata; }

  // Error when there is no record of that number (here and below).
  [[nodiscard]] RecordInfo record(std::uint32_t number) const;
  // The record's bytes as stored, checked against their checksum.
  [[nodiscard]] std::span<const std::uint8_t> payload(std::uint32_t number) const;
  // Lets the disk begin to read the record's bytes while the caller does other work: for those who
  // know what they will ask for. Costs nothing once the record was read.
  void will_need(std::uint32_t number) const;
  // The record's planes (channels, height, width), blue, green, red: straight from the file if they
  // are stored raw, else decoded into `scratch`, which the result then points into. Error on a
  // record of floats.
  [[nodiscard]] std::span<const std::uint8_t> planes(std::uint32_t number,
                                                     std::vector<std::uint8_t>& scratch) const;
  // The same as numbers, also of a record of floats.
  [[nodiscard]] std::vector<float> values(std::uint32_t number) const;
  // Error on a record of floats, or of other than 1 or 3 channels.
  [[nodiscard]] Image image(std::uint32_t number) const;

  // Bytes of the store file itself, and of it with its shards.
  [[nodiscard]] std::uint64_t bytes() const { return file_.bytes().size(); }
  [[nodiscard]] std::uint64_t total_bytes() const;
  [[nodiscard]] const StoreIndex& index() const { return index_; }
  [[nodiscard]] std::span<const LabelColumn> columns() const { return index_.columns; }
  [[nodiscard]] std::span<const View> views() const { return index_.views; }
  // Error "unknown column / view in FILE: 'x', did you mean ..." when there is none of that name.
  [[nodiscard]] const LabelColumn& column(std::string_view name) const;
  [[nodiscard]] const View& view(std::string_view name) const;

  // Whether the record's payload has its checksum, computed anew.
  [[nodiscard]] bool is_intact(std::uint32_t number) const;
  // Number of the column of that name, or -1.
  [[nodiscard]] int find_column(std::string_view name) const;
  // Checks the chain of earlier segments and that every byte that nothing uses is zero.
  void verify_layout() const;

 private:
  [[nodiscard]] const store_format::RecordEntry& entry(std::uint32_t number) const;
  [[nodiscard]] Image decoded(std::uint32_t number) const;
  [[nodiscard]] const MappedFile& file_of(const store_format::RecordEntry& record) const {
    return record.shard == 0 ? file_ : *shards_[record.shard - 1];
  }
  [[nodiscard]] std::span<const std::uint8_t> stored(
      const store_format::RecordEntry& record) const {
    return file_of(record).bytes().subspan(record.offset, record.size);
  }

  std::filesystem::path path_;
  MappedFile file_;
  std::vector<std::unique_ptr<MappedFile>> shards_;
  store_format::Trailer trailer_;
  StoreIndex index_;
  // Which payloads were found good. Two threads may check the same one at once, which harms nobody.
  mutable std::vector<std::atomic<bool>> checked_;
};

}  // namespace fovea
