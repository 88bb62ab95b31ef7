#include "data/image_list.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace fs = std::filesystem;
namespace {

constexpr std::int32_t kMaxListedLabel = 1000000;

bool is_image(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

std::optional<std::int64_t> as_number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes records off the front of CSV text.
class CsvReader {
 public:
  CsvReader(std::string_view text, const fs::path& file) : text_(text), file_(file) {}

  // The next line's fields; {} at the end. Empty lines are passed over.
  std::vector<std::string> next() {
    while (!text_.empty() && (text_.front() == '\n' || text_.front() == '\r')) take();
    std::vector<std::string> fields;
    if (text_.empty()) return fields;
    line_ = next_line_;
    for (;;) {
      fields.push_back(field());
      if (text_.empty() || take() == '\n') return fields;
    }
  }
  // Where the last record began.
  [[nodiscard]] std::int64_t line() const { return line_; }

 private:
  char take() {
    const char c = text_.front();
    text_.remove_prefix(1);
    if (c == '\n') ++next_line_;
    return c;
  }

  // A field up to, not with, the comma or line feed behind it.
  std::string field() {
    std::string value;
    if (!text_.empty() && text_.front() == '"') {
      take();
      for (;;) {
        require(!text_.empty(), "field in ", file_.string(), ":", line_,
                ": a quote that nothing closes, expected \"");
        const char c = take();
        if (c != '"') {
          value += c;
        } else if (!text_.empty() && text_.front() == '"') {
          value += take();
        } else {
          break;
        }
      }
      if (!text_.empty() && text_.front() == '\r') take();
      require(text_.empty() || text_.front() == ',' || text_.front() == '\n', "field in ",
              file_.string(), ":", line_, ": text behind a closing quote, expected a comma");
      return value;
    }
    while (!text_.empty() && text_.front() != ',' && text_.front() != '\n') value += take();
    if (value.ends_with('\r')) value.pop_back();
    return value;
  }

  std::string_view text_;
  const fs::path& file_;
  std::int64_t line_ = 1, next_line_ = 1;
};

// The classes of a column: its texts, in the order of numbers if all are numbers, else of text.
std::vector<std::string> classes_of(const std::set<std::string>& texts) {
  std::vector<std::string> classes(texts.begin(), texts.end());
  if (std::all_of(classes.begin(), classes.end(), [](const auto& t) { return as_number(t); })) {
    std::stable_sort(classes.begin(), classes.end(),
                     [](const auto& a, const auto& b) { return *as_number(a) < *as_number(b); });
  }
  return classes;
}

}  // namespace

ImageFiles read_class_folders(const fs::path& folder, const std::string& column) {
  ImageFiles result{.root = folder, .columns = {}, .files = {}};
  std::error_code error;
  require(fs::is_directory(folder, error), "cannot read ", folder.string(), ": not a folder");
  std::vector<std::string> paths;
  std::set<std::string> classes;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !is_image(entry.path())) continue;
    const fs::path path = entry.path().lexically_relative(folder);
    if (path.has_parent_path()) classes.insert(path.begin()->string());
    paths.push_back(path.generic_string());
  }
  require(!paths.empty(), "no images in ", folder.string(), ", expected .jpg, .jpeg or .png files");
  std::sort(paths.begin(), paths.end());
  if (!classes.empty()) result.columns.push_back({column, {classes.begin(), classes.end()}});
  for (const std::string& path : paths) {
    ListedFile file{path, {}};
    if (!classes.empty()) {
      const auto slash = path.find('/');
      const auto found = classes.find(path.substr(0, slash));
      file.labels.push_back(slash == std::string::npos
                                ? kMissing
                                : static_cast<std::int32_t>(std::distance(classes.begin(), found)));
    }
    result.files.push_back(std::move(file));
  }
  return result;
}

ImageFiles parse_list(std::string_view text, const fs::path& file, const fs::path& root,
                      const std::string& column) {
  ImageFiles result{.root = root, .columns = {{column, {}}}, .files = {}};
  std::int64_t number = 0;
  std::int64_t classes = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto space = line.find_last_of(" \t");
    const bool split = space != std::string_view::npos && space > 0;
    const std::int64_t label = split ? as_number(line.substr(space + 1)).value_or(-1) : -1;
    require(label >= 0 && label <= kMaxListedLabel, "line in ", file.string(), ":", number, ": '",
            line.substr(0, 80), "', expected <path> <class number>");
    classes = std::max(classes, label + 1);
    result.files.push_back(
        {std::string(line.substr(0, space)), {static_cast<std::int32_t>(label)}});
  }
  for (std::int64_t k = 0; k < classes; ++k) result.columns[0].classes.push_back(std::to_string(k));
  require(!result.files.empty(), "no lines in ", file.string(), ", expected <path> <class number>");
  return result;
}

ImageFiles parse_csv(std::string_view text, const fs::path& file, const fs::path& root) {
  ImageFiles result{.root = root, .columns = {}, .files = {}};
  CsvReader csv(text, file);
  const std::vector<std::string> names = csv.next();
  require(names.size() >= 1 && !names[0].empty(), "header in ", file.string(),
          ":1: empty, expected path,<label>,...");
  std::size_t path_field = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "path" || names[i] == "file" || names[i] == "image") path_field = i;
  }
  std::vector<std::vector<std::string>> rows;
  std::vector<std::set<std::string>> texts(names.size());
  for (auto row = csv.next(); !row.empty(); row = csv.next()) {
    require(row.size() == names.size() && !row[path_field].empty(), "row in ", file.string(), ":",
            csv.line(), ": ", row.size(), " fields, expected ", names.size(), " with a path");
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!row[i].empty()) texts[i].insert(row[i]);
    }
    rows.push_back(std::move(row));
  }
  require(!rows.empty(), "no rows in ", file.string(), ", expected one per image");
  std::vector<std::map<std::string, std::int32_t>> numbers(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == path_field) continue;
    result.columns.push_back({names[i], classes_of(texts[i])});
    for (const std::string& name : result.columns.back().classes) {
      numbers[i].emplace(name, static_cast<std::int32_t>(numbers[i].size()));
    }
  }
  for (const auto& row : rows) {
    ListedFile listed{row[path_field], {}};
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == path_field) continue;
      listed.labels.push_back(row[i].empty() ? kMissing : numbers[i].at(row[i]));
    }
    result.files.push_back(std::move(listed));
  }
  return result;
}

ImageFiles read_image_files(const fs::path& what, const fs::path& root, const std::string& column) {
  std::error_code ignored;
  if (fs::is_directory(what, ignored)) return read_class_folders(what, column);
  const fs::path base = root.empty() ? what.parent_path() : root;
  const std::string text = read_file(what);
  // An image where its list is meant.
  require(text.find('\0') == std::string::npos, "cannot read list ", what.string(),
          ": not a text file, expected lines <path> <class number>, or a folder");
  if (what.extension() == ".csv") return parse_csv(text, what, base);
  return parse_list(text, what, base, column);
}

}  // namespace fovea
