#include "data/lists.h"

#include <charconv>
#include <sstream>

#include "data/study_views.h"
#include "engine/core/error.h"
#include "engine/core/fields.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

// The numbers K of the folders test_fold_is_<K>, ascending.
std::vector<int> listed_folds(const std::filesystem::path& folder) {
  std::vector<int> folds;
  std::error_code ignored;
  for (int fold = 0; fold < 1000; ++fold) {
    if (std::filesystem::is_directory(folder / str("test_fold_is_", fold), ignored)) {
      folds.push_back(fold);
    }
  }
  require(!folds.empty(), "no lists in ", folder.string(),
          ": no folder test_fold_is_<K>, expected one per fold");
  return folds;
}

ImageList read_list(const std::filesystem::path& file, Target target, int fold, std::string split) {
  ImageList list{.file = file, .target = target, .fold = fold, .split = std::move(split)};
  const auto classes = static_cast<std::int32_t>(class_names(target).size());
  std::istringstream lines(read_file(file));
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    const auto space = line.rfind(' ');
    require(space != std::string::npos && space > 0, "line in ", file.string(), ":", number, ": '",
            line.substr(0, 80), "', expected <user>/<file> <label>");
    std::int32_t label = kMissing;
    const char* end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + space + 1, end, label);
    require(parsed.ec == std::errc() && parsed.ptr == end && label >= 0 && label < classes,
            "label out of range in ", file.string(), ":", number, ": '", line.substr(space + 1),
            "', expected 0 to ", classes - 1);
    list.images.push_back({line.substr(0, space), label});
  }
  return list;
}

}  // namespace

std::vector<ImageList> read_lists(const std::filesystem::path& folder) {
  std::vector<ImageList> lists;
  for (const int fold : listed_folds(folder)) {
    for (const Target target : kTargets) {
      for (const std::string_view split : kSplits) {
        const auto file =
            folder / str("test_fold_is_", fold) / str(enum_name(target), "_", split, ".txt");
        lists.push_back(read_list(file, target, fold, std::string(split)));
      }
    }
  }
  return lists;
}

}  // namespace fovea
