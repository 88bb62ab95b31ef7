// Ready per-fold lists of the study:
// <dir>/test_fold_is_<K>/<age|gender>_<train|val|train_subset|test>.txt, each line
// "<user>/<file> <label>", the label a class number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/folds.h"

namespace fovea {

struct ListedImage {
  std::string path;  // <user>/<file>
  std::int32_t label = kMissing;
};

struct ImageList {
  std::filesystem::path file;
  Target target = Target::kAge;
  int fold = 0;
  std::string split;
  std::vector<ListedImage> images;  // image i stands in line i + 1
};

// Every list in `folder`, by fold, target and split. Error when there is none, and with file and
// line on a line without label or with a label out of range.
[[nodiscard]] std::vector<ImageList> read_lists(const std::filesystem::path& folder);

}  // namespace fovea
