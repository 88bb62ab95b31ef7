#include "data/writer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "data/crc32c.h"
#include "data/image.h"

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

}  // namespace

StoreWriter::StoreWriter(std::filesystem::path path, std::vector<ColumnSpec> columns,
                         bool overwrite)
    : path_(std::move(path)), file_(path_, overwrite), specs_(std::move(columns)) {
  for (const ColumnSpec& spec : specs_) {
    const auto same = [&](const ColumnSpec& other) { return other.name == spec.name; };
    require(!spec.name.empty() && std::count_if(specs_.begin(), specs_.end(), same) == 1,
            "label column for ", path_.string(), ": '", spec.name,
            "', expected names that are not empty and differ");
    ColumnEntry column{.name = add_string(spec.name),
                       .first_class = static_cast<std::uint32_t>(string_ends_.size()),
                       .class_count = static_cast<std::uint32_t>(spec.classes.size())};
    for (const std::string& name : spec.classes) add_string(name);
    columns_.push_back(column);
  }
  labels_.resize(specs_.size());
  Header header;
  header.crc = crc32c(&header, sizeof header - sizeof header.crc);
  file_.write(&header, sizeof header);
}

std::uint32_t StoreWriter::add_string(std::string_view text) {
  string_bytes_ += text;
  string_ends_.push_back(string_bytes_.size());
  require(string_ends_.size() < std::numeric_limits<std::uint32_t>::max(), "too many strings in ",
          path_.string());
  return static_cast<std::uint32_t>(string_ends_.size() - 1);
}

void StoreWriter::pad() { file_.write(kZeros, aligned(file_.size()) - file_.size()); }

std::uint32_t StoreWriter::add(const NewRecord& record, std::span<const std::uint8_t> payload) {
  require(record.labels.size() == specs_.size(), "labels of ", record.source, ": ",
          record.labels.size(), ", expected one for each of ", specs_.size(), " columns");
  for (std::size_t c = 0; c < specs_.size(); ++c) {
    const auto classes = static_cast<std::int64_t>(specs_[c].classes.size());
    require(record.labels[c] >= kMissing && record.labels[c] < classes, "label out of range in ",
            record.source, ": ", specs_[c].name, " ", record.labels[c], ", expected 0 to ",
            classes - 1, " (or ", kMissing, " for missing)");
  }
  const bool fits = record.height > 0 && record.height <= kMaxImageExtent && record.width > 0 &&
                    record.width <= kMaxImageExtent &&
                    (record.channels == 1 || record.channels == 3);
  require(fits, "image size of ", record.source, ": ", record.channels, " x ", record.height, " x ",
          record.width, ", expected 1 or 3 channels of at most ", kMaxImageExtent,
          " rows and columns");
  const std::uint64_t raw_size =
      std::uint64_t(record.channels) * std::uint64_t(record.height) * std::uint64_t(record.width);
  expects(record.encoding == Encoding::kRaw ? payload.size() == raw_size : !payload.empty(),
          "a payload of the size that the record says");
  require(records_.size() < std::numeric_limits<std::int32_t>::max(), "too many records in ",
          path_.string());
  pad();
  records_.push_back({.offset = file_.size(),
                      .size = payload.size(),
                      .crc = crc32c(payload.data(), payload.size()),
                      .height = static_cast<std::uint32_t>(record.height),
                      .width = static_cast<std::uint32_t>(record.width),
                      .channels = static_cast<std::uint8_t>(record.channels),
                      .encoding = static_cast<std::uint8_t>(record.encoding),
                      .source = add_string(record.source)});
  for (std::size_t c = 0; c < specs_.size(); ++c) labels_[c].push_back(record.labels[c]);
  file_.write(payload.data(), payload.size());
  return size() - 1;
}

void StoreWriter::add_view(const std::string& name, std::string_view target,
                           std::span<const std::uint32_t> records, const Json& provenance) {
  require(
      !name.empty() && std::find(view_names_.begin(), view_names_.end(), name) == view_names_.end(),
      "view for ", path_.string(), ": '", name, "', expected names that are not empty and differ");
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

std::string StoreWriter::index(const Json& metadata) const {
  const auto strings = static_cast<std::uint64_t>(string_ends_.size());
  std::string string_section(reinterpret_cast<const char*>(&strings), sizeof strings);
  string_section.append(bytes_of(string_ends_)).append(string_bytes_);
  std::string labels;
  for (const auto& column : labels_) labels.append(bytes_of(column));

  const Directory directory{.section_count = kSectionKinds};
  std::string index(sizeof directory + kSectionKinds * sizeof(Section), '\0');
  std::vector<Section> sections;
  append_section(index, sections, SectionKind::kStrings, string_section);
  append_section(index, sections, SectionKind::kRecords, bytes_of(records_));
  append_section(index, sections, SectionKind::kColumns, bytes_of(columns_));
  append_section(index, sections, SectionKind::kLabels, labels);
  append_section(index, sections, SectionKind::kViews, bytes_of(views_));
  append_section(index, sections, SectionKind::kViewRecords, bytes_of(view_records_));
  append_section(index, sections, SectionKind::kMetadata, metadata.dump());
  std::memcpy(index.data(), &directory, sizeof directory);
  std::memcpy(index.data() + sizeof directory, sections.data(), sections.size() * sizeof(Section));
  return index;
}

void StoreWriter::commit(const Json& metadata) {
  expects(metadata.is_object(), "the metadata are a JSON object");
  pad();
  const std::string content = index(metadata);
  Trailer trailer{.index_offset = file_.size(),
                  .index_size = content.size(),
                  .index_crc = crc32c(content.data(), content.size())};
  file_.write(content);
  pad();
  trailer.end = file_.size() + sizeof trailer;
  trailer.crc = crc32c(&trailer, sizeof trailer - sizeof trailer.crc);
  file_.write(&trailer, sizeof trailer);
  file_.commit();
}

}  // namespace fovea
