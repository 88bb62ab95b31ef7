#include "data/folds.h"

#include <algorithm>
#include <charconv>

#include "engine/core/crc32c.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Text behind the last column of a line may end in the carriage return of a Windows file.
std::string_view without_carriage_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::int32_t class_index(Target target, std::string_view text) {
  const auto classes = class_names(target);
  const auto found = std::find(classes.begin(), classes.end(), text);
  return found == classes.end() ? kMissing : static_cast<std::int32_t>(found - classes.begin());
}

// "(25, 32)" -> 25, 32; "29" -> 29; {} for anything else.
std::vector<int> intervals_of(std::string_view text) {
  if (text.starts_with('(') && text.ends_with(')')) text = text.substr(1, text.size() - 2);
  std::vector<int> numbers;
  for (std::string_view part : split(text, ',')) {
    if (part.starts_with(' ')) part.remove_prefix(1);
    int number = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != part.data() + part.size()) return {};
    numbers.push_back(number);
  }
  return numbers;
}

enum Field { kUser, kImage, kFace, kAge, kGender, kFieldCount };
constexpr std::string_view kFieldNames[kFieldCount] = {"user_id", "original_image", "face_id",
                                                       "age", "gender"};

// Parses one fold file into `out`.
class FoldFileParser {
 public:
  FoldFileParser(std::filesystem::path path, int fold, bool label_fix, FoldFiles& out)
      : path_(std::move(path)), fold_(fold), label_fix_(label_fix), out_(out) {}

  void parse(std::string_view content) {
    std::int64_t line_number = 0, rows = 0;
    for (std::string_view line : split(content, '\n')) {
      line = without_carriage_return(line);
      ++line_number;
      if (line_number == 1) {
        parse_header(line);
      } else if (!line.empty()) {
        parse_row(line, line_number);
        ++rows;
      }
    }
    out_.files.push_back({path_.filename().string(), crc32c(content.data(), content.size()), rows});
  }

 private:
  void parse_header(std::string_view line) {
    const auto names = split(line, '\t');
    field_count_ = names.size();
    for (int field = 0; field < kFieldCount; ++field) {
      const auto found = std::find(names.begin(), names.end(), kFieldNames[field]);
      require(found != names.end(), "header in ", path_.string(), ":1: no column '",
              kFieldNames[field],
              "', expected tab-separated user_id original_image face_id age gender ...");
      column_[field] = static_cast<std::size_t>(found - names.begin());
    }
  }

  void parse_row(std::string_view line, std::int64_t line_number) {
    const auto fields = split(line, '\t');
    require(fields.size() == field_count_, "row in ", path_.string(), ":", line_number, ": ",
            fields.size(), " fields, expected ", field_count_);
    for (const Field field : {kUser, kImage, kFace}) {
      require(!fields[column_[field]].empty(), "row in ", path_.string(), ":", line_number, ": no ",
              kFieldNames[field], ", expected a text");
    }
    FaceRow row{.fold = fold_,
                .user = std::string(fields[column_[kUser]]),
                .original_image = std::string(fields[column_[kImage]]),
                .face_id = std::string(fields[column_[kFace]])};
    const std::string_view gender = fields[column_[kGender]];
    require(gender == "m" || gender == "f" || gender == "u" || gender.empty(), "gender in ",
            path_.string(), ":", line_number, ": '", gender, "', expected m, f, u or nothing");
    for (const Target target : kTargets) {
      const auto t = static_cast<std::size_t>(target);
      const std::string_view text = target == Target::kAge ? fields[column_[kAge]] : gender;
      row.labels[t] = class_index(target, text);
      if (label_fix_ && target == Target::kAge && row.labels[t] == kMissing) {
        row.labels[t] = fixed_age(text);
        if (row.labels[t] != kMissing) ++out_.fixed[std::string(text)];
      }
      if (row.labels[t] == kMissing) ++out_.unlabelled[t][std::string(text)];
    }
    out_.rows.push_back(std::move(row));
  }

  std::filesystem::path path_;
  int fold_;
  bool label_fix_;
  FoldFiles& out_;
  std::size_t field_count_ = 0;
  std::size_t column_[kFieldCount] = {};
};

std::string fold_file_name(int fold) { return str("fold_", fold, "_data.txt"); }

// The highest K of the folder's files fold_K_data.txt, -1 if it has none.
int last_fold(const std::filesystem::path& folder) {
  constexpr std::string_view kHead = "fold_";
  int last = -1;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kHead)) continue;
    int fold = -1;
    std::from_chars(name.data() + kHead.size(), name.data() + name.size(), fold);
    if (name == fold_file_name(fold)) last = std::max(last, fold);
  }
  return last;
}

}  // namespace

std::span<const std::string_view> class_names(Target target) {
  if (target == Target::kAge) return kAgeClasses;
  return kGenderClasses;
}

std::int32_t fixed_age(std::string_view text) {
  const auto group = intervals_of(text);
  if (group.empty() || group.size() > 2) return kMissing;
  std::int32_t found = kMissing;
  for (std::size_t k = 0; k < kAgeClasses.size(); ++k) {
    const auto known = intervals_of(kAgeClasses[k]);
    const auto is_end = [&](int age) { return age == known[0] || age == known[1]; };
    const bool fits = group.size() == 1 ? known[0] <= group[0] && group[0] <= known[1]
                                        : is_end(group[0]) || is_end(group[1]);
    if (!fits) continue;
    if (found != kMissing) return kMissing;  // it could mean two groups
    found = static_cast<std::int32_t>(k);
  }
  return found;
}

void parse_fold_file(std::string_view content, const std::filesystem::path& path, int fold,
                     bool label_fix, FoldFiles& out) {
  FoldFileParser(path, fold, label_fix, out).parse(content);
}

FoldFiles read_fold_files(const std::filesystem::path& folder, bool label_fix) {
  FoldFiles result;
  const int last = last_fold(folder);
  for (int fold = 0; fold <= std::max(last, 0); ++fold) {
    const auto path = folder / fold_file_name(fold);
    std::error_code ignored;
    require(fold == 0 || std::filesystem::exists(path, ignored), "missing fold file in ",
            folder.string(), ": no ", path.filename().string(), ", expected every number up to ",
            fold_file_name(last));
    parse_fold_file(read_file(path), path, fold, label_fix, result);
  }
  return result;
}

}  // namespace fovea
