#include "data/study_views.h"

#include <algorithm>
#include <unordered_map>

#include "engine/core/error.h"
#include "engine/core/fields.h"
#include "engine/core/random.h"

namespace fovea {
namespace {

constexpr std::size_t kValidationShare = 10;  // one row in ten, about the study's 1284 of 13108

// Moves groups from the front of `groups` until they have `wanted` rows; returns these rows in file
// order.
std::vector<std::uint32_t> take(std::span<const std::uint32_t>& groups,
                                const std::vector<std::vector<std::uint32_t>>& rows_of_group,
                                std::size_t wanted) {
  std::vector<std::uint32_t> taken;
  while (taken.size() < wanted && !groups.empty()) {
    const auto& rows = rows_of_group[groups.front()];
    taken.insert(taken.end(), rows.begin(), rows.end());
    groups = groups.subspan(1);
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

// A number for every row; rows of one user share it.
std::vector<std::uint32_t> number_users(std::span<const FaceRow> rows) {
  std::unordered_map<std::string_view, std::uint32_t> known;
  std::vector<std::uint32_t> numbers;
  for (const FaceRow& row : rows) {
    numbers.push_back(known.emplace(row.user, known.size()).first->second);
  }
  return numbers;
}

}  // namespace

SplitRows draw_splits(std::span<const FaceRow> rows, std::span<const std::uint32_t> face_of_row,
                      Target target, int fold, std::uint64_t seed, Validation validation) {
  expects(rows.size() == face_of_row.size(), "a face number for every row");
  SplitRows result;
  auto& [train, val, train_subset, test] = result;
  // Outside the fold, in order of appearance: faces, and what val and train are drawn by.
  struct Groups {
    std::vector<std::vector<std::uint32_t>> rows;
    std::vector<std::uint32_t> order;

    void add(std::uint32_t group, std::uint32_t row) {
      if (rows.size() <= group) rows.resize(group + 1);
      if (rows[group].empty()) order.push_back(group);
      rows[group].push_back(row);
    }
  } faces, users;
  const bool by_user = validation == Validation::kSubjects;
  const std::vector<std::uint32_t> user_of_row =
      by_user ? number_users(rows) : std::vector<std::uint32_t>();
  std::size_t others = 0;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row].labels[static_cast<std::size_t>(target)] == kMissing) continue;
    if (rows[row].fold == fold) {
      test.push_back(row);
      continue;
    }
    by_user ? users.add(user_of_row[row], row) : faces.add(face_of_row[row], row);
    ++others;
  }
  Groups& drawn = by_user ? users : faces;
  random_shuffle<std::uint32_t>({.seed = seed,
                                 .purpose = RandomPurpose::kSplit,
                                 .iteration = static_cast<std::uint64_t>(fold)},
                                drawn.order);
  std::span<const std::uint32_t> left = drawn.order;
  val = take(left, drawn.rows, others / kValidationShare);
  std::span<const std::uint32_t> subset = left;
  train_subset = take(subset, drawn.rows, val.size());
  train = take(left, drawn.rows, others);
  return result;
}

std::string view_name(Target target, std::string_view alignment, int fold, std::string_view split) {
  return str(enum_name(target), "/", alignment, "/fold", fold, "/", split);
}

}  // namespace fovea
