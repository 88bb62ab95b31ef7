#include "data/export.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "data/datum.h"
#include "data/lmdb.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/npy.h"

namespace fovea {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxLmdbKey = 511;

std::string numbered(std::uint32_t number, const char* format) {
  char text[16];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

// Whether `path` stays below the folder it is appended to.
bool is_below(const fs::path& path) {
  if (path.empty() || path.is_absolute() || !path.has_filename()) return false;
  return std::none_of(path.begin(), path.end(),
                      [](const fs::path& part) { return part == ".." || part == "."; });
}

fs::path with_ending(fs::path path, Encoding encoding) {
  const std::string ending = path.extension().string();
  switch (encoding) {
    case Encoding::kJpeg:
      return ending == ".jpg" || ending == ".jpeg" || ending == ".JPG" || ending == ".JPEG"
                 ? path
                 : path.replace_extension(".jpg");
    case Encoding::kFloat:
      return path.replace_extension(".npy");
    default:
      return ending == ".PNG" ? path : path.replace_extension(".png");
  }
}

fs::path file_name(const Store& store, std::uint32_t number, const ExtractOptions& options) {
  const RecordInfo record = store.record(number);
  const fs::path source(record.source);
  if (options.names == FileNames::kSource) {
    require(is_below(source), "source of record ", number, " in ", store.path().string(), ": '",
            record.source, "', expected a path below the folder");
    return with_ending(source, record.encoding);
  }
  const std::string stem = numbered(number, "%06u") + '_' + source.stem().string();
  const fs::path file = with_ending(stem + ".", record.encoding);
  if (options.names == FileNames::kNumber) return file;
  expects(options.column != nullptr, "a column of classes");
  const std::int32_t label = options.column->values[number];
  std::string name(label == kMissing ? "unlabelled"
                                     : options.column->classes[static_cast<std::size_t>(label)]);
  std::replace(name.begin(), name.end(), '/', '_');
  require(is_below(name), "class of record ", number, " in ", store.path().string(), ": '", name,
          "', expected the name of a folder");
  return name / file;
}

void write_record(const Store& store, std::uint32_t number, const fs::path& path, bool overwrite) {
  const RecordInfo record = store.record(number);
  if (record.encoding == Encoding::kFloat) {
    const Tensor<float> values{{record.channels, record.height, record.width},
                               store.values(number)};
    write_npy(path, values.view(), overwrite);
  } else if (record.encoding == Encoding::kRaw) {
    write_file(path, encode_png(store.image(number)), overwrite);
  } else {
    const auto bytes = store.payload(number);
    write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, overwrite);
  }
}

// The head of a .npy file, padded to a multiple of 64.
std::string npy_header(const char* type, const std::string& shape) {
  std::string dict =
      str("{'descr': '", type, "', 'fortran_order': False, 'shape': (", shape, "), }");
  dict.append(64 - (10 + dict.size() + 1) % 64, ' ');
  dict += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(dict.size() & 0xFF);
  head += static_cast<char>(dict.size() >> 8);
  return head + dict;
}

std::optional<std::int32_t> as_label(std::string_view name) {
  std::int32_t value = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
  return value;
}

Datum datum_of(const Store& store, std::uint32_t number) {
  const RecordInfo record = store.record(number);
  Datum datum;
  datum.encoded = record.encoding == Encoding::kJpeg || record.encoding == Encoding::kPng;
  if (!datum.encoded) {
    datum.channels = record.channels, datum.height = record.height, datum.width = record.width;
  }
  if (record.encoding == Encoding::kFloat) {
    datum.float_data = store.values(number);
  } else {
    const auto bytes = store.payload(number);
    datum.data.assign(bytes.begin(), bytes.end());
  }
  return datum;
}

bool sources_are_keys(const Store& store, std::span<const std::uint32_t> records) {
  std::string_view last;
  for (const std::uint32_t number : records) {
    const std::string_view source = store.record(number).source;
    if (source.empty() || source.size() > kMaxLmdbKey || source <= last) return false;
    last = source;
  }
  return true;
}

}  // namespace

void extract_records(const Store& store, std::span<const std::uint32_t> records,
                     const fs::path& folder, const ExtractOptions& options) {
  std::int64_t done = 0;
  std::error_code error;
  fs::create_directories(folder, error);
  for (const std::uint32_t number : records) {
    const fs::path path = folder / file_name(store, number, options);
    fs::create_directories(path.parent_path(), error);
    require(!error, "cannot create ", path.parent_path().string(), ": ", error.message());
    write_record(store, number, path, options.overwrite);
    if (options.progress) options.progress(++done, static_cast<std::int64_t>(records.size()));
  }
}

void export_npy(const Store& store, std::span<const std::uint32_t> records, const fs::path& path,
                bool overwrite, const ExportProgress& progress) {
  require(!records.empty(), "no records of ", store.path().string(), ", expected at least one");
  const RecordInfo first = store.record(records.front());
  bool floats = false;
  for (const std::uint32_t number : records) {
    const RecordInfo r = store.record(number);
    require(r.channels == first.channels && r.height == first.height && r.width == first.width,
            "image size in ", store.path().string(), ": record ", number, " differs, expected ",
            first.channels, " x ", first.height, " x ", first.width, " as the first");
    floats = floats || r.encoding == Encoding::kFloat;
  }
  AtomicFile out(path, overwrite);
  out.write(npy_header(floats ? "<f4" : "|u1", str(records.size(), ", ", first.channels, ", ",
                                                   first.height, ", ", first.width)));
  std::vector<std::uint8_t> scratch;
  std::int64_t done = 0;
  for (const std::uint32_t number : records) {
    if (floats) {
      const std::vector<float> values = store.values(number);
      out.write(values.data(), values.size() * sizeof(float));
    } else {
      const auto planes = store.planes(number, scratch);
      out.write(planes.data(), planes.size());
    }
    if (progress) progress(++done, static_cast<std::int64_t>(records.size()));
  }
  out.commit();
}

void export_labels_npy(const LabelColumn& column, std::span<const std::uint32_t> records,
                       const fs::path& path, bool overwrite) {
  AtomicFile out(path, overwrite);
  out.write(npy_header("<i4", str(records.size(), ",")));
  for (const std::uint32_t number : records) {
    out.write(&column.values[number], sizeof column.values[number]);
  }
  out.commit();
}

void export_lmdb(const Store& store, std::span<const std::uint32_t> records,
                 const LabelColumn* column, const fs::path& folder, bool overwrite,
                 const ExportProgress& progress) {
  const bool numbers =
      column != nullptr && std::all_of(column->classes.begin(), column->classes.end(),
                                       [](std::string_view name) { return as_label(name); });
  const bool sources = sources_are_keys(store, records);
  LmdbWriter out(folder, overwrite);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::uint32_t number = records[i];
    Datum datum = datum_of(store, number);
    if (column != nullptr && column->values[number] != kMissing) {
      const std::int32_t label = column->values[number];
      datum.label = numbers ? as_label(column->classes[static_cast<std::size_t>(label)]) : label;
    }
    std::string key(store.record(number).source);
    if (!sources) {
      key = numbered(static_cast<std::uint32_t>(i), "%08u") + '_' + key;
      key.resize(std::min(key.size(), kMaxLmdbKey));
    }
    out.put(key, write_datum(datum));
    if (progress) {
      progress(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(records.size()));
    }
  }
  out.commit();
}

}  // namespace fovea
