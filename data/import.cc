#include "data/import.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "data/datum.h"
#include "data/gzip.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/lmdb.h"
#include "data/store.h"
#include "engine/core/crc32c.h"
#include "engine/core/error.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace fs = std::filesystem;
namespace {

void add_view_of_all(StoreWriter& writer) {
  std::vector<std::uint32_t> all(writer.size());
  std::iota(all.begin(), all.end(), 0U);
  writer.add_view("all", writer.columns().empty() ? "" : writer.columns()[0].name, all,
                  {{"split", "all"}});
}

Json metadata(const char* kind, const ImportOptions& options, const Json& sources) {
  return {{"kind", kind},
          {"encoding", enum_name(options.pack.encode)},
          {"size", options.pack.size},
          {"command", options.command},
          {"sources", sources}};
}

// What stands for a file in the metadata.
Json source_json(const fs::path& file, std::string_view content) {
  return {{"file", file.filename().string()}, {"crc32c", crc32c(content.data(), content.size())}};
}

// Labels become classes named by their numbers: 0 to the highest, or, when that would be many more
// than there are, those that occur.
std::vector<std::string> number_classes(const std::set<std::int32_t>& labels) {
  std::vector<std::string> classes;
  if (labels.empty()) return classes;
  const bool dense =
      *labels.begin() >= 0 && *labels.rbegin() < 16 + 4 * static_cast<std::int64_t>(labels.size());
  if (dense) {
    for (std::int32_t k = 0; k <= *labels.rbegin(); ++k) classes.push_back(std::to_string(k));
  } else {
    for (const std::int32_t label : labels) classes.push_back(std::to_string(label));
  }
  return classes;
}

std::string resume_key(const ImageFiles& files, const ImportOptions& options) {
  std::string key = str("files ", fs::absolute(files.root).string(), ' ', options.pack.size, ' ',
                        options.pack.channels, ' ', enum_name(options.pack.encode));
  for (const ListedFile& file : files.files) key += '\n' + file.path;
  return key;
}

void pack_files(StoreWriter& writer, const ImageFiles& files, const PackOptions& options,
                const std::function<std::vector<std::int32_t>(const ListedFile&)>& labels) {
  const auto item = [&](std::int64_t i) -> PackItem {
    const ListedFile& file = files.files[static_cast<std::size_t>(i)];
    return {.file = files.root / file.path, .source = file.path, .labels = labels(file)};
  };
  try {
    pack_images(writer, static_cast<std::int64_t>(files.files.size()), item, options);
  } catch (...) {
    writer.discard();  // only a run that was killed leaves something behind
    throw;
  }
}

NewRecord record_of(const Datum& datum, std::string_view key, int channels,
                    std::vector<std::int32_t> labels) {
  NewRecord record{.source = std::string(key), .labels = std::move(labels)};
  if (datum.encoded) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(datum.data.data()),
                          datum.data.size());
    const ImageSize size = image_size(bytes, record.source);
    record.encoding = image_file_kind(bytes) == ImageFile::kJpeg ? Encoding::kJpeg : Encoding::kPng;
    record.channels = channels, record.height = size.height, record.width = size.width;
  } else {
    record.encoding = datum.float_data.empty() ? Encoding::kRaw : Encoding::kFloat;
    record.channels = *datum.channels, record.height = *datum.height, record.width = *datum.width;
  }
  return record;
}

std::span<const std::uint8_t> payload_of(const Datum& datum) {
  if (datum.float_data.empty()) {
    return {reinterpret_cast<const std::uint8_t*>(datum.data.data()), datum.data.size()};
  }
  return {reinterpret_cast<const std::uint8_t*>(datum.float_data.data()),
          datum.float_data.size() * sizeof(float)};
}

// The columns of a store and of what is added to it, joined by name.
class JoinedColumns {
 public:
  JoinedColumns(std::span<const LabelColumn> old, std::span<const ColumnSpec> added) {
    for (const LabelColumn& column : old) {
      specs_.push_back({std::string(column.name), {column.classes.begin(), column.classes.end()}});
    }
    for (const ColumnSpec& column : added) {
      std::size_t c = 0;
      while (c < specs_.size() && specs_[c].name != column.name) ++c;
      if (c == specs_.size()) specs_.push_back({column.name, {}});
      std::map<std::string, std::int32_t> known;
      for (const auto& name : specs_[c].classes) {
        known.emplace(name, static_cast<std::int32_t>(known.size()));
      }
      std::vector<std::int32_t> map;
      for (const auto& name : column.classes) {
        const auto [entry, is_new] =
            known.emplace(name, static_cast<std::int32_t>(specs_[c].classes.size()));
        if (is_new) specs_[c].classes.push_back(name);
        map.push_back(entry->second);
      }
      column_.push_back(c), class_.push_back(std::move(map));
    }
  }

  [[nodiscard]] const std::vector<ColumnSpec>& specs() const { return specs_; }
  // Labels in the added columns as labels in the joined ones.
  [[nodiscard]] std::vector<std::int32_t> join(std::span<const std::int32_t> labels) const {
    std::vector<std::int32_t> joined(specs_.size(), kMissing);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != kMissing) {
        joined[column_[i]] = class_[i][static_cast<std::size_t>(labels[i])];
      }
    }
    return joined;
  }

 private:
  std::vector<ColumnSpec> specs_;
  std::vector<std::size_t> column_;               // of each added column
  std::vector<std::vector<std::int32_t>> class_;  // of each added column's classes
};

Json appended_metadata(const Store& base, const Json& what) {
  Json metadata = base.metadata();
  metadata["appended"].push_back(what);
  return metadata;
}

}  // namespace

std::int64_t import_files(const ImageFiles& files, const ImportOptions& options) {
  StoreWriter writer(options.out, files.columns,
                     {.overwrite = options.overwrite,
                      .shard_bytes = options.shard_bytes,
                      .resume_key = resume_key(files, options)});
  pack_files(writer, files, options.pack, [](const ListedFile& file) { return file.labels; });
  add_view_of_all(writer);
  writer.commit(metadata("files", options, {{{"folder", files.root.filename().string()}}}));
  return writer.size();
}

std::int64_t import_idx(const fs::path& images, const fs::path& labels,
                        const ImportOptions& options) {
  const std::string image_bytes = read_file_or_gzip(images);
  const IdxArray pixels = parse_idx(image_bytes, images.string());
  const auto& shape = pixels.extents;
  const std::size_t rank = shape.size();
  const std::uint32_t channels = rank == 4 ? shape[3] : 1;
  require((rank == 3 || rank == 4) && shape[0] < 0x7FFFFFFF &&
              shape[1] <= std::uint32_t{kMaxImageExtent} &&
              shape[2] <= std::uint32_t{kMaxImageExtent} && (channels == 1 || channels == 3),
          "axes of ", images.string(), ": ", rank, ", expected (N, H, W) or (N, H, W, 1 or 3)");
  std::string label_bytes;
  IdxArray classes;
  Json sources{source_json(images, image_bytes)};
  std::set<std::int32_t> occurring;
  if (!labels.empty()) {
    label_bytes = read_file_or_gzip(labels);
    classes = parse_idx(label_bytes, labels.string());
    require(classes.extents.size() == 1 && classes.extents[0] == shape[0], "labels in ",
            labels.string(), ": ", classes.values.size(), ", expected one for each of ", shape[0],
            " images");
    for (const char value : classes.values) occurring.insert(static_cast<std::uint8_t>(value));
    sources.push_back(source_json(labels, label_bytes));
  }
  std::vector<ColumnSpec> columns;
  if (!labels.empty()) columns.push_back({options.label, number_classes(occurring)});
  std::map<std::string, std::int32_t> number;
  if (!columns.empty()) {
    for (const auto& name : columns[0].classes) {
      number.emplace(name, static_cast<std::int32_t>(number.size()));
    }
  }
  StoreWriter writer(options.out, columns, {options.overwrite, options.shard_bytes, {}});
  Image image{
      static_cast<int>(shape[1]), static_cast<int>(shape[2]), static_cast<int>(channels), {}};
  const std::size_t size = std::size_t{shape[1]} * shape[2] * channels;
  std::vector<std::uint8_t> planes(size);
  for (std::uint32_t i = 0; i < shape[0]; ++i) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(pixels.values.data()) + i * size;
    image.pixels.assign(from, from + size);
    to_planes(image, planes);
    NewRecord record{.channels = image.channels,
                     .height = image.height,
                     .width = image.width,
                     .source = std::to_string(i),
                     .labels = {}};
    if (!columns.empty()) {
      record.labels.push_back(
          number.at(std::to_string(static_cast<std::uint8_t>(classes.values[i]))));
    }
    writer.add(record, planes);
    if (options.pack.progress && i % 1024 == 0) options.pack.progress(i, shape[0]);
  }
  add_view_of_all(writer);
  writer.commit(metadata("idx", options, sources));
  return writer.size();
}

std::int64_t import_lmdb(const fs::path& folder, const ImportOptions& options) {
  LmdbReader lmdb(folder);
  const auto name_of = [&](std::string_view key) { return str(folder.string(), ":", key); };
  // The labels first: a store's columns are named before its records.
  std::set<std::int32_t> labels;
  std::uint32_t crc = 0;
  lmdb.for_each([&](std::string_view key, std::string_view value) {
    crc = crc32c(value.data(), value.size(), crc);
    const Datum datum = parse_datum(value, name_of(key));
    if (datum.label) labels.insert(*datum.label);
    return true;
  });
  const std::vector<std::string> classes = number_classes(labels);
  std::map<std::string, std::int32_t> number;
  for (const auto& name : classes) number.emplace(name, static_cast<std::int32_t>(number.size()));
  StoreWriter writer(options.out, {{options.label, classes}},
                     {options.overwrite, options.shard_bytes, {}});
  const auto total = static_cast<std::int64_t>(lmdb.size());
  lmdb.for_each([&](std::string_view key, std::string_view value) {
    const Datum datum = parse_datum(value, name_of(key));
    const std::int32_t label = datum.label ? number.at(std::to_string(*datum.label)) : kMissing;
    writer.add(record_of(datum, key, options.pack.channels, {label}), payload_of(datum));
    if (options.pack.progress && writer.size() % 256 == 0) {
      options.pack.progress(writer.size(), total);
    }
    return true;
  });
  add_view_of_all(writer);
  writer.commit(metadata("lmdb", options,
                         {{{"folder", folder.filename().string()}, {"values_crc32c", crc}}}));
  return writer.size();
}

std::int64_t append_files(const ImageFiles& files, const std::string& view,
                          const ImportOptions& options) {
  const Store base(options.out);
  const JoinedColumns columns(base.columns(), files.columns);
  StoreWriter writer(base, columns.specs(), options.shard_bytes);
  std::vector<std::uint32_t> records;
  Json provenance{{"split", view}};
  std::string target = files.columns.empty() ? "" : files.columns[0].name;
  for (const View& old : base.views()) {
    if (old.name == view) {
      records = old.records, provenance = old.provenance;
      target = old.target < 0 ? "" : base.columns()[static_cast<std::size_t>(old.target)].name;
    } else {
      writer.add_view_of(base, old);
    }
  }
  pack_files(writer, files, options.pack,
             [&](const ListedFile& file) { return columns.join(file.labels); });
  for (std::uint32_t i = base.size(); i < writer.size(); ++i) records.push_back(i);
  writer.add_view(view, target, records, provenance);
  writer.commit(appended_metadata(
      base, {{"kind", "files"}, {"command", options.command}, {"records", files.files.size()}}));
  return static_cast<std::int64_t>(files.files.size());
}

std::int64_t append_store(const fs::path& path, const fs::path& other_path) {
  const Store base(path), other(other_path);
  std::vector<ColumnSpec> added;
  for (const LabelColumn& column : other.columns()) {
    added.push_back({std::string(column.name), {column.classes.begin(), column.classes.end()}});
  }
  const JoinedColumns columns(base.columns(), added);
  StoreWriter writer(base, columns.specs());
  std::vector<std::int32_t> labels(added.size());
  for (std::uint32_t i = 0; i < other.size(); ++i) {
    const RecordInfo info = other.record(i);
    for (std::size_t c = 0; c < labels.size(); ++c) labels[c] = other.columns()[c].values[i];
    writer.add({.encoding = info.encoding,
                .channels = info.channels,
                .height = info.height,
                .width = info.width,
                .source = std::string(info.source),
                .labels = columns.join(labels)},
               other.payload(i));
  }
  std::set<std::string_view> joined;
  const auto moved = [&](const View& view) {
    std::vector<std::uint32_t> records = view.records;
    for (std::uint32_t& record : records) record += base.size();
    return records;
  };
  for (const View& view : base.views()) {
    View both = view;
    for (const View& more : other.views()) {
      if (more.name != view.name) continue;
      const auto records = moved(more);
      both.records.insert(both.records.end(), records.begin(), records.end());
      joined.insert(more.name);
    }
    writer.add_view_of(base, both);
  }
  for (const View& view : other.views()) {
    if (joined.contains(view.name)) continue;
    const std::string_view target =
        view.target < 0 ? "" : other.columns()[static_cast<std::size_t>(view.target)].name;
    writer.add_view(std::string(view.name), target, moved(view), view.provenance);
  }
  writer.commit(appended_metadata(
      base, {{"kind", "store"}, {"records", other.size()}, {"metadata", other.metadata()}}));
  return other.size();
}

}  // namespace fovea
