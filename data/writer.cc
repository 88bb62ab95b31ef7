#include "data/writer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "data/image.h"
#include "data/store.h"
#include "engine/core/crc32c.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

using namespace store_format;

constexpr char kZeros[kAlignment] = {};

// Adds `bytes` to the index as a section.
void append_section(std::string& index, std::vector<Section>& sections, SectionKind kind,
                    std::string_view bytes) {
  index.resize(aligned(index.size()));
  sections.push_back({.kind = kind, .offset = index.size(), .size = bytes.size()});
  index.append(bytes);
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void pad(AtomicFile& file) { file.write(kZeros, aligned(file.size()) - file.size()); }

void write_header(AtomicFile& file, const std::array<std::uint8_t, 8>& magic) {
  const Header header = new_header(magic);
  file.write(&header, sizeof header);
}

// The shards of the store at `path`, if one is there that can be read.
std::vector<std::filesystem::path> shards_of(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return files;
  try {
    const Store store(path);
    for (const Shard& shard : store.index().shards) {
      files.push_back(path.parent_path() / std::string(shard.name));
    }
  } catch (const Error&) {  // whatever is there is about to be replaced
  }
  return files;
}

}  // namespace

StoreWriter::StoreWriter(std::filesystem::path path, std::vector<ColumnSpec> columns,
                         WriterOptions options)
    : path_(std::move(path)), shard_bytes_(options.shard_bytes), specs_(std::move(columns)) {
  add_columns();
  if (shard_bytes_ > 0 || !options.resume_key.empty()) folders_.emplace(path_);
  if (options.resume_key.empty() || shard_bytes_ > 0) {
    file_ = std::make_unique<AtomicFile>(path_, options.overwrite);
  } else {
    std::error_code ignored;
    require(options.overwrite || !std::filesystem::exists(path_, ignored),
            "output exists: ", path_.string(), ", expected a new name (or --force)");
    log_.emplace(path_, options.resume_key);
    file_ = std::make_unique<AtomicFile>(path_, options.overwrite, log_->partial(), log_->keep());
  }
  replaced_ = shards_of(path_);
  if (file_->size() == 0) write_header(*file_, kHeaderMagic);
}

StoreWriter::StoreWriter(const Store& base, std::vector<ColumnSpec> columns,
                         std::uint64_t shard_bytes)
    : path_(base.path()), shard_bytes_(shard_bytes), specs_(std::move(columns)) {
  add_columns();
  const StoreIndex& old = base.index();
  expects(specs_.size() >= old.columns.size(), "the old columns are kept");
  for (std::size_t c = 0; c < old.columns.size(); ++c) {
    const auto& before = old.columns[c].classes;
    expects(specs_[c].name == old.columns[c].name && specs_[c].classes.size() >= before.size() &&
                std::equal(before.begin(), before.end(), specs_[c].classes.begin()),
            "the old classes are kept");
    labels_[c] = old.columns[c].values;
  }
  for (std::size_t c = old.columns.size(); c < specs_.size(); ++c) {
    labels_[c].assign(old.records.size(), kMissing);
  }
  for (std::size_t i = 0; i < old.records.size(); ++i) {
    records_.push_back(old.records[i]);
    records_.back().source = add_string(old.sources[i]);
  }
  for (const Shard& shard : old.shards) {
    shards_.push_back({.name = add_string(shard.name), .size = shard.size});
  }
  if (!shards_.empty() && shard_bytes_ == 0) shard_bytes_ = std::uint64_t{1} << 30;
  file_ = std::make_unique<AtomicFile>(path_, true);
  file_->copy(path_);
  require(file_->size() == base.bytes(), "store ", path_.string(),
          " changed while it was read: ", file_->size(), " bytes, expected ", base.bytes());
  previous_trailer_ = base.bytes() - sizeof(Trailer);
}

void StoreWriter::add_columns() {
  for (const ColumnSpec& spec : specs_) {
    const auto same = [&](const ColumnSpec& other) { return other.name == spec.name; };
    require(!spec.name.empty(), "label column for ", path_.string(), ": '', expected a name");
    require(std::count_if(specs_.begin(), specs_.end(), same) == 1, "label column for ",
            path_.string(), ": '", spec.name, "' twice, expected names that differ");
    ColumnEntry column{.name = add_string(spec.name),
                       .first_class = static_cast<std::uint32_t>(string_ends_.size()),
                       .class_count = static_cast<std::uint32_t>(spec.classes.size())};
    for (const std::string& name : spec.classes) add_string(name);
    columns_.push_back(column);
  }
  labels_.resize(specs_.size());
}

std::uint32_t StoreWriter::add_string(std::string_view text) {
  string_bytes_ += text;
  string_ends_.push_back(string_bytes_.size());
  require(string_ends_.size() < std::numeric_limits<std::uint32_t>::max(), "too many strings in ",
          path_.string());
  return static_cast<std::uint32_t>(string_ends_.size() - 1);
}

void StoreWriter::check(const NewRecord& record, std::uint64_t payload_size) const {
  require(record.labels.size() == specs_.size(), "labels of ", record.source, ": ",
          record.labels.size(), ", expected one for each of ", specs_.size(), " columns");
  for (std::size_t c = 0; c < specs_.size(); ++c) {
    const auto classes = static_cast<std::int64_t>(specs_[c].classes.size());
    require(record.labels[c] >= kMissing && record.labels[c] < classes, "label out of range in ",
            record.source, ": ", specs_[c].name, " ", record.labels[c], ", expected 0 to ",
            classes - 1, " (or ", kMissing, " for missing)");
  }
  const bool compressed = record.encoding == Encoding::kJpeg || record.encoding == Encoding::kPng;
  const bool fits = record.height > 0 && record.height <= kMaxImageExtent && record.width > 0 &&
                    record.width <= kMaxImageExtent && record.channels > 0 &&
                    record.channels <= kMaxChannels &&
                    (!compressed || record.channels == 1 || record.channels == 3);
  require(fits, "image size of ", record.source, ": ", record.channels, " x ", record.height, " x ",
          record.width, ", expected at most ", kMaxImageExtent, " rows and columns and ",
          compressed ? "1 or 3" : "1 to 255", " channels");
  const std::uint64_t values =
      std::uint64_t(record.channels) * std::uint64_t(record.height) * std::uint64_t(record.width);
  expects(compressed ? payload_size > 0 : payload_size == values * value_size(record.encoding),
          "a payload of the size that the record says");
  require(records_.size() < std::numeric_limits<std::int32_t>::max(), "too many records in ",
          path_.string());
}

void StoreWriter::open_shard() {
  // The first free name: a store that is replaced keeps its shards until the new one is there.
  std::error_code ignored;
  std::string name;
  for (std::size_t number = shards_.size();; ++number) {
    name = str(path_.filename().string(), ".shard-", number);
    const bool taken = std::any_of(open_shards_.begin(), open_shards_.end(),
                                   [&](const OpenShard& open) { return open.name == name; });
    if (!taken && !std::filesystem::exists(path_.parent_path() / name, ignored)) break;
  }
  open_shards_.push_back({name, std::make_unique<AtomicFile>(path_.parent_path() / name, false)});
  write_header(*open_shards_.back().file, kShardMagic);
  shards_.push_back({.name = add_string(name)});
}

AtomicFile& StoreWriter::payload_file(std::uint64_t size) {
  if (shard_bytes_ == 0) return *file_;
  if (open_shards_.empty()) {
    open_shard();
  } else if (const auto used = open_shards_.back().file->size();
             used > sizeof(Header) && aligned(used) + size > shard_bytes_) {
    open_shard();
  }
  return *open_shards_.back().file;
}

void StoreWriter::add_entry(const RecordEntry& entry, const NewRecord& record) {
  records_.push_back(entry);
  records_.back().source = add_string(record.source);
  for (std::size_t c = 0; c < specs_.size(); ++c) labels_[c].push_back(record.labels[c]);
}

std::uint32_t StoreWriter::add(const NewRecord& record, std::span<const std::uint8_t> payload) {
  expects(resumable() == 0, "records of a killed writer are taken over first");
  check(record, payload.size());
  AtomicFile& file = payload_file(payload.size());
  pad(file);
  const RecordEntry entry{
      .offset = file.size(),
      .size = payload.size(),
      .crc = crc32c(payload.data(), payload.size()),
      .height = static_cast<std::uint32_t>(record.height),
      .width = static_cast<std::uint32_t>(record.width),
      .channels = static_cast<std::uint8_t>(record.channels),
      .encoding = static_cast<std::uint8_t>(record.encoding),
      .shard = static_cast<std::uint32_t>(shard_bytes_ == 0 ? 0 : shards_.size())};
  file.write(payload.data(), payload.size());
  if (shard_bytes_ > 0) shards_.back().size = file.size();
  if (log_) log_->append(entry);
  add_entry(entry, record);
  return size() - 1;
}

std::size_t StoreWriter::resumable() const {
  return log_ && log_->found().size() > records_.size() ? log_->found().size() - records_.size()
                                                        : 0;
}

std::uint32_t StoreWriter::resume(std::string source, std::vector<std::int32_t> labels) {
  expects(resumable() > 0, "a record of a killed writer");
  const RecordEntry& entry = log_->found()[records_.size()];
  const NewRecord record{.encoding = static_cast<Encoding>(entry.encoding),
                         .channels = entry.channels,
                         .height = static_cast<int>(entry.height),
                         .width = static_cast<int>(entry.width),
                         .source = std::move(source),
                         .labels = std::move(labels)};
  check(record, entry.size);
  add_entry(entry, record);
  return size() - 1;
}

void StoreWriter::discard() {
  file_.reset();
  if (log_) log_->remove();
}

void StoreWriter::add_view(const std::string& name, std::string_view target,
                           std::span<const std::uint32_t> records, const Json& provenance) {
  require(!name.empty(), "view in ", path_.string(), ": '', expected a name");
  require(std::find(view_names_.begin(), view_names_.end(), name) == view_names_.end(), "view in ",
          path_.string(), ": '", name, "' exists already, expected a new name");
  expects(provenance.is_object(), "a provenance is a JSON object");
  std::int32_t column = -1;
  for (std::size_t c = 0; c < specs_.size(); ++c) {
    if (specs_[c].name == target) column = static_cast<std::int32_t>(c);
  }
  expects(target.empty() || column >= 0, "a view's target is a column");
  for (const std::uint32_t record : records) {
    expects(record < size(), "a view lists records that were added");
  }
  view_names_.push_back(name);
  views_.push_back({.name = add_string(name),
                    .provenance = add_string(provenance.dump()),
                    .target = column,
                    .first = view_records_.size(),
                    .count = records.size()});
  view_records_.insert(view_records_.end(), records.begin(), records.end());
}

void StoreWriter::add_view_of(const Store& base, const View& view) {
  const std::string_view target =
      view.target < 0 ? "" : base.columns()[static_cast<std::size_t>(view.target)].name;
  add_view(std::string(view.name), target, view.records, view.provenance);
}

std::string StoreWriter::index(const Json& metadata) const {
  const auto strings = static_cast<std::uint64_t>(string_ends_.size());
  std::string string_section(reinterpret_cast<const char*>(&strings), sizeof strings);
  string_section.append(bytes_of(string_ends_)).append(string_bytes_);
  std::string labels;
  for (const auto& column : labels_) labels.append(bytes_of(column));

  const std::uint32_t count = shards_.empty() ? kRequiredSections : kSectionKinds;
  const Directory directory{.section_count = count};
  std::string index(sizeof directory + count * sizeof(Section), '\0');
  std::vector<Section> sections;
  append_section(index, sections, SectionKind::kStrings, string_section);
  append_section(index, sections, SectionKind::kRecords, bytes_of(records_));
  append_section(index, sections, SectionKind::kColumns, bytes_of(columns_));
  append_section(index, sections, SectionKind::kLabels, labels);
  append_section(index, sections, SectionKind::kViews, bytes_of(views_));
  append_section(index, sections, SectionKind::kViewRecords, bytes_of(view_records_));
  append_section(index, sections, SectionKind::kMetadata, metadata.dump());
  if (!shards_.empty()) append_section(index, sections, SectionKind::kShards, bytes_of(shards_));
  std::memcpy(index.data(), &directory, sizeof directory);
  std::memcpy(index.data() + sizeof directory, sections.data(), sections.size() * sizeof(Section));
  return index;
}

void StoreWriter::write_trailer(const std::string& index) {
  pad(*file_);
  Trailer trailer{.index_offset = file_->size(),
                  .index_size = index.size(),
                  .previous_trailer = previous_trailer_,
                  .index_crc = crc32c(index.data(), index.size())};
  file_->write(index);
  pad(*file_);
  trailer.end = file_->size() + sizeof trailer;
  trailer.crc = crc32c(&trailer, sizeof trailer - sizeof trailer.crc);
  file_->write(&trailer, sizeof trailer);
}

void StoreWriter::commit(const Json& metadata) {
  expects(metadata.is_object(), "the metadata are a JSON object");
  expects(resumable() == 0, "every record of a killed writer is taken over");
  write_trailer(index(metadata));
  // Shards first: the store that names them appears when they are there.
  for (OpenShard& shard : open_shards_) shard.file->commit();
  file_->commit();
  if (log_) log_->remove();
  std::error_code ignored;
  for (const auto& file : replaced_) std::filesystem::remove(file, ignored);
}

}  // namespace fovea
