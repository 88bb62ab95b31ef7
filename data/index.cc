#include "data/index.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>

#include "data/image.h"
#include "data/writer.h"
#include "engine/core/json_fields.h"

namespace fovea {
namespace {

using namespace store_format;
using Bytes = std::span<const std::uint8_t>;

class IndexParser {
 public:
  IndexParser(Bytes bytes, std::uint64_t payload_end, const std::filesystem::path& path)
      : bytes_(bytes), payload_end_(payload_end), path_(path) {}

  StoreIndex parse() {
    find_sections();
    parse_strings();
    parse_shards();
    parse_records();
    parse_columns();
    parse_views();
    result_.metadata = parse_object(as_text(section(SectionKind::kMetadata)), "metadata");
    return std::move(result_);
  }

 private:
  template <class... Parts>
  void check(bool condition, const Parts&... parts) const {
    if (!condition) throw Error(str("damaged index in ", path_.string(), ": ", parts...));
  }

  [[nodiscard]] Bytes section(SectionKind kind) const {
    return sections_[static_cast<std::size_t>(kind)];
  }
  static std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // The section as a list of T; its size must be a multiple of T's.
  template <class T>
  [[nodiscard]] std::vector<T> list(SectionKind kind, const char* what) const {
    const Bytes bytes = section(kind);
    check(bytes.size() % sizeof(T) == 0, what, " section of ", bytes.size(),
          " bytes, expected a multiple of ", sizeof(T));
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  void find_sections() {
    Directory directory;
    check(bytes_.size() >= sizeof directory, bytes_.size(), " bytes, expected a directory");
    std::memcpy(&directory, bytes_.data(), sizeof directory);
    const std::uint64_t count = directory.section_count;
    check(count >= kRequiredSections && count <= 1024 && directory.zero == 0 &&
              sizeof directory + count * sizeof(Section) <= bytes_.size(),
          count, " sections in ", bytes_.size(), " bytes, expected at least ", kRequiredSections);
    std::uint64_t used = sizeof directory + count * sizeof(Section);
    std::array<bool, kSectionKinds + 1> seen{};
    for (std::uint64_t i = 0; i < count; ++i) {
      Section s;
      std::memcpy(&s, bytes_.data() + sizeof directory + i * sizeof s, sizeof s);
      check(s.offset == aligned(used) && s.offset <= bytes_.size() &&
                s.size <= bytes_.size() - s.offset && s.zero == 0,
            "section ", i, " of ", s.size, " bytes at ", s.offset, ", expected it at ",
            aligned(used), " and within ", bytes_.size());
      const Bytes gap = bytes_.subspan(used, s.offset - used);
      check(std::all_of(gap.begin(), gap.end(), [](std::uint8_t b) { return b == 0; }),
            "bytes before section ", i, " that are not zero");
      used = s.offset + s.size;
      const auto kind = static_cast<std::size_t>(s.kind);
      if (kind > kSectionKinds) continue;  // of a later minor version
      check(kind >= 1 && !seen[kind], "section ", i, " of kind ", kind,
            ", expected every kind once");
      seen[kind] = true;
      sections_[kind] = bytes_.subspan(s.offset, s.size);
    }
    check(used == bytes_.size(), bytes_.size(), " bytes, expected ", used);
    check(std::count(seen.begin() + 1, seen.begin() + 1 + kRequiredSections, true) ==
              kRequiredSections,
          "a section is missing, expected kinds 1 to ", kRequiredSections);
  }

  void parse_strings() {
    const Bytes bytes = section(SectionKind::kStrings);
    std::uint64_t count = 0;
    check(bytes.size() >= sizeof count, "no strings");
    std::memcpy(&count, bytes.data(), sizeof count);
    check(count <= (bytes.size() - sizeof count) / sizeof(std::uint64_t), count, " strings in ",
          bytes.size(), " bytes");
    std::vector<std::uint64_t> ends(count);
    if (count > 0) {
      std::memcpy(ends.data(), bytes.data() + sizeof count, count * sizeof(std::uint64_t));
    }
    const std::string_view text = as_text(bytes.subspan(sizeof count + count * sizeof(count)));
    std::uint64_t begin = 0;
    for (const std::uint64_t end : ends) {
      check(begin <= end && end <= text.size(), "string ", strings_.size(), " ends at ", end,
            ", expected ", begin, " to ", text.size());
      strings_.push_back(text.substr(begin, end - begin));
      begin = end;
    }
    check(begin == text.size(), "strings of ", text.size(), " bytes, expected ", begin);
  }

  [[nodiscard]] std::string_view string(std::uint64_t number) const {
    check(number < strings_.size(), "string ", number, ", expected below ", strings_.size());
    return strings_[number];
  }

  [[nodiscard]] Json parse_object(std::string_view text, const char* what) const {
    Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    check(json.is_object(), what, " that are not a JSON object");
    return json;
  }

  void parse_shards() {
    for (const ShardEntry& entry : list<ShardEntry>(SectionKind::kShards, "shard")) {
      const Shard shard{string(entry.name), entry.size};
      // A name, not a path: an index cannot reach files outside the store's folder.
      check(!shard.name.empty() && shard.name.find('/') == std::string_view::npos &&
                shard.name.find('\0') == std::string_view::npos && shard.name != ".." &&
                shard.name != "." && entry.zero == 0 && shard.size >= sizeof(Header),
            "shard '", shard.name, "' of ", shard.size, " bytes, expected the name of a file");
      result_.shards.push_back(shard);
    }
  }

  void check_record(std::size_t i, const RecordEntry& r) const {
    check(r.shard <= result_.shards.size(), "record ", i, " in shard ", r.shard, ", expected 0 to ",
          result_.shards.size());
    const std::uint64_t end = r.shard == 0 ? payload_end_ : result_.shards[r.shard - 1].size;
    check(r.offset >= sizeof(Header) && r.offset % kAlignment == 0 && r.offset <= end &&
              r.size <= end - r.offset,
          "record ", i, " of ", r.size, " bytes at ", r.offset, ", expected it within ", end);
    check(r.encoding <= static_cast<std::uint8_t>(Encoding::kFloat), "record ", i, " of encoding ",
          int{r.encoding}, ", expected 0 to 3");
    const auto encoding = static_cast<Encoding>(r.encoding);
    const bool compressed = encoding == Encoding::kJpeg || encoding == Encoding::kPng;
    check(r.height >= 1 && r.height <= kMaxImageExtent && r.width >= 1 &&
              r.width <= kMaxImageExtent && r.channels >= 1 &&
              (!compressed || r.channels == 1 || r.channels == 3),
          "record ", i, " of ", int{r.channels}, " x ", r.height, " x ", r.width);
    const std::uint64_t values = std::uint64_t{r.channels} * r.height * r.width;
    check(compressed ? r.size > 0 : r.size == values * value_size(encoding), "record ", i, " of ",
          r.size, " bytes for ", int{r.channels}, " x ", r.height, " x ", r.width);
    check(r.zero == 0, "record ", i, " with reserved bytes that are not zero");
  }

  void parse_records() {
    result_.records = list<RecordEntry>(SectionKind::kRecords, "record");
    check(result_.records.size() <=
              static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
          result_.records.size(), " records, expected below 2^31");
    for (std::size_t i = 0; i < result_.records.size(); ++i) {
      check_record(i, result_.records[i]);
      result_.sources.push_back(string(result_.records[i].source));
    }
  }

  void parse_columns() {
    const auto columns = list<ColumnEntry>(SectionKind::kColumns, "column");
    const auto labels = list<std::int32_t>(SectionKind::kLabels, "label");
    const std::size_t n = result_.records.size();
    check(n == 0 ? labels.empty() : labels.size() % n == 0 && labels.size() / n == columns.size(),
          labels.size(), " labels, expected ", columns.size(), " for each of ", n, " records");
    std::set<std::string_view> names;
    std::uint64_t classes = 0;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      LabelColumn column{.name = string(columns[c].name), .classes = {}, .values = {}};
      check(names.insert(column.name).second && columns[c].zero == 0, "column ", c, " named '",
            column.name, "', expected names that differ");
      // Columns do not share class names, so that a small index cannot ask for much memory.
      classes += columns[c].class_count;
      check(classes <= strings_.size(), "column ", c, " with ", columns[c].class_count,
            " classes, expected all columns together below ", strings_.size());
      for (std::uint64_t k = 0; k < columns[c].class_count; ++k) {
        column.classes.push_back(string(columns[c].first_class + k));
      }
      column.values.assign(labels.begin() + static_cast<std::ptrdiff_t>(c * n),
                           labels.begin() + static_cast<std::ptrdiff_t>((c + 1) * n));
      for (std::size_t i = 0; i < n; ++i) {
        check(column.values[i] >= kMissing &&
                  column.values[i] < static_cast<std::int64_t>(column.classes.size()),
              "label out of range: record ", i, ", ", column.name, " ", column.values[i],
              ", expected below ", column.classes.size());
      }
      result_.columns.push_back(std::move(column));
    }
  }

  void parse_views() {
    const auto views = list<store_format::ViewEntry>(SectionKind::kViews, "view");
    const auto numbers = list<std::uint32_t>(SectionKind::kViewRecords, "view record");
    std::set<std::string_view> names;
    std::uint64_t used = 0;  // one view's entries follow another's
    for (const store_format::ViewEntry& v : views) {
      View view{.name = string(v.name), .target = v.target, .provenance = {}, .records = {}};
      check(names.insert(view.name).second && v.zero == 0, "view '", view.name,
            "', expected names that differ");
      check(v.target >= -1 && v.target < static_cast<std::int64_t>(result_.columns.size()),
            "view '", view.name, "' with target column ", v.target, ", expected below ",
            result_.columns.size());
      check(v.first == used && v.count <= numbers.size() - used, "view '", view.name, "' of ",
            v.count, " entries at ", v.first, ", expected them at ", used, " and within ",
            numbers.size());
      used += v.count;
      view.provenance = parse_object(string(v.provenance), "provenance");
      view.records.assign(numbers.begin() + static_cast<std::ptrdiff_t>(v.first),
                          numbers.begin() + static_cast<std::ptrdiff_t>(v.first + v.count));
      for (const std::uint32_t record : view.records) {
        check(record < result_.records.size(), "view '", view.name, "' lists record ", record,
              ", expected below ", result_.records.size());
      }
      result_.views.push_back(std::move(view));
    }
    check(used == numbers.size(), numbers.size(), " view records, expected ", used);
  }

  Bytes bytes_;
  std::uint64_t payload_end_;
  const std::filesystem::path& path_;
  std::array<Bytes, kSectionKinds + 1> sections_;  // by kind
  std::vector<std::string_view> strings_;
  StoreIndex result_;
};

}  // namespace

StoreIndex parse_index(std::span<const std::uint8_t> bytes, std::uint64_t payload_end,
                       const std::filesystem::path& path) {
  return IndexParser(bytes, payload_end, path).parse();
}

}  // namespace fovea
