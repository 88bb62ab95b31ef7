#include "data/study_views.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/random.h"

namespace fovea {
namespace {

constexpr std::size_t kValidationShare = 10;  // one row in ten, about the study's 1284 of 13108

// Moves faces from the front of `faces` until they have `wanted` rows; returns these rows in file
// order.
std::vector<std::uint32_t> take(std::span<const std::uint32_t>& faces,
                                const std::vector<std::vector<std::uint32_t>>& rows_of_face,
                                std::size_t wanted) {
  std::vector<std::uint32_t> taken;
  while (taken.size() < wanted && !faces.empty()) {
    const auto& rows = rows_of_face[faces.front()];
    taken.insert(taken.end(), rows.begin(), rows.end());
    faces = faces.subspan(1);
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

}  // namespace

SplitRows draw_splits(std::span<const FaceRow> rows, std::span<const std::uint32_t> face_of_row,
                      Target target, int fold, std::uint64_t seed) {
  expects(rows.size() == face_of_row.size(), "a face number for every row");
  SplitRows result;
  auto& [train, val, train_subset, test] = result;
  std::vector<std::vector<std::uint32_t>> rows_of_face;
  std::vector<std::uint32_t> faces;  // outside the fold, in order of appearance
  std::size_t others = 0;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row].labels[static_cast<std::size_t>(target)] == kMissing) continue;
    if (rows[row].fold == fold) {
      test.push_back(row);
      continue;
    }
    const std::uint32_t face = face_of_row[row];
    if (rows_of_face.size() <= face) rows_of_face.resize(face + 1);
    if (rows_of_face[face].empty()) faces.push_back(face);
    rows_of_face[face].push_back(row);
    ++others;
  }
  random_shuffle<std::uint32_t>({.seed = seed,
                                 .purpose = RandomPurpose::kSplit,
                                 .iteration = static_cast<std::uint64_t>(fold)},
                                faces);
  std::span<const std::uint32_t> left = faces;
  val = take(left, rows_of_face, others / kValidationShare);
  std::span<const std::uint32_t> subset = left;
  train_subset = take(subset, rows_of_face, val.size());
  train = take(left, rows_of_face, others);
  return result;
}

std::string view_name(Target target, std::string_view alignment, int fold, std::string_view split) {
  return str(enum_name(target), "/", alignment, "/fold", fold, "/", split);
}

}  // namespace fovea
