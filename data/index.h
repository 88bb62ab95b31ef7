// The index of a store file, parsed: records, label columns, views, metadata. See data/FORMAT.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "data/format.h"
#include "engine/core/json_fields.h"

namespace fovea {

struct LabelColumn {
  std::string_view name;
  std::vector<std::string_view> classes;
  std::vector<std::int32_t> values;  // one per record: kMissing or an index into classes
};

struct View {
  std::string_view name;
  int target = -1;  // number of the column that the view is about, -1: none
  Json provenance;  // where the list comes from: an object, for study views with alignment, fold
                    // and split
  std::vector<std::uint32_t> records;  // may repeat
};

struct Shard {
  std::string_view name;  // of a file beside the store
  std::uint64_t size = 0;
};

struct StoreIndex {
  std::vector<store_format::RecordEntry> records;
  std::vector<std::string_view> sources;  // one per record
  std::vector<LabelColumn> columns;
  std::vector<View> views;
  std::vector<Shard> shards;
  Json metadata;
};

// Parses and checks every number: whatever the bytes are, the result is consistent or an Error
// names `path` and what is wrong. Payloads must lie before `payload_end`, or before
// the end of their shard. The string_views point into `bytes`.
[[nodiscard]] StoreIndex parse_index(std::span<const std::uint8_t> bytes, std::uint64_t payload_end,
                                     const std::filesystem::path& path);

}  // namespace fovea
