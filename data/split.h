// k folds of a store by group (subject) and stratified by class, as views.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/store.h"

namespace fovea {

struct SplitOptions {
  std::string label;              // column that the views are about and that is stratified
  std::string group = "subject";  // column whose classes stay together; empty: every record alone
  std::string name = "split";     // views are <label>/<name>/fold<K>/<train|val|test>
  int folds = 5;
  int validation = 10;  // val is about one in so many of what is not test, groups together; 0: none
  std::uint64_t seed = 0;
};

// The fold of every record, -1 for those without the label. Groups are dealt out from the largest
// on, each to the fold where the classes' shares then differ least between folds; equal ones in an
// order drawn by the seed. A record without a group is a group of its own. Error that begins
// with `what` when there are fewer groups than folds.
[[nodiscard]] std::vector<int> deal_folds(const LabelColumn& label, const LabelColumn* group,
                                          std::span<const std::uint32_t> records, int folds,
                                          std::uint64_t seed, const std::string& what = "folds");

// Appends the views to the store. Returns their names. Error when one is there already.
std::vector<std::string> split_store(const std::filesystem::path& store,
                                     const SplitOptions& options);

}  // namespace fovea
