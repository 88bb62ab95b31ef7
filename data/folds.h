// The Adience fold files: fold_0_data.txt, fold_1_data.txt, ..., one line per face, tab separated,
// with a header line.
//
// Columns are found by name: user_id, original_image, face_id, age, gender; others are ignored. A
// row counts for age only if its text is literally one of the eight class names; every other text
// ('None', '(25, 23)', '35', ...) is a missing label, as in the study's lists. Gender: m = 0, f =
// 1; u and an empty text are missing.
//
// The label fix gives an age text that is no class name the group that it can only mean: an
// interval that shares one end with one group, '(25, 23)', '(27, 32)', '(38, 42)'; a single age
// inside a group, '29'. Ages between groups ('35') and '(38, 48)', which shares ends with two, stay
// missing.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/writer.h"
#include "engine/core/fields.h"

namespace fovea {

inline constexpr std::array<std::string_view, 8> kAgeClasses{
    "(0, 2)", "(4, 6)", "(8, 12)", "(15, 20)", "(25, 32)", "(38, 43)", "(48, 53)", "(60, 100)"};
inline constexpr std::array<std::string_view, 2> kGenderClasses{"m", "f"};

// What a view can be about; the value is the number of its label column in an Adience store.
enum class Target : int { kAge = 0, kGender = 1 };
inline constexpr std::array<Target, 2> kTargets{Target::kAge, Target::kGender};
template <>
inline constexpr EnumTable<Target, 2> enum_names<Target>{
    {{"age", Target::kAge}, {"gender", Target::kGender}}};
[[nodiscard]] std::span<const std::string_view> class_names(Target target);

struct FaceRow {
  int fold = 0;
  std::string user, original_image, face_id;
  std::array<std::int32_t, 2> labels{kMissing, kMissing};  // by Target
};

struct FoldFile {
  std::string name;  // without folder
  std::uint32_t crc = 0;
  std::int64_t rows = 0;
};

struct FoldFiles {
  std::vector<FaceRow> rows;                                      // in the order of the files
  std::vector<FoldFile> files;                                    // file k is fold k
  std::array<std::map<std::string, std::int64_t>, 2> unlabelled;  // by Target: text -> rows
  std::map<std::string, std::int64_t> fixed;                      // age text -> rows
};

// Reads fold_0_data.txt and on to the highest number there is; Error when one between is missing. A
// missing column, a line with the wrong number of fields or an unknown gender is an Error with file
// and line.
[[nodiscard]] FoldFiles read_fold_files(const std::filesystem::path& folder,
                                        bool label_fix = false);
// One file of that form in memory, as fold `fold`; `path` is named in errors.
void parse_fold_file(std::string_view content, const std::filesystem::path& path, int fold,
                     bool label_fix, FoldFiles& out);
// The age group that the label fix gives a text, or kMissing.
[[nodiscard]] std::int32_t fixed_age(std::string_view text);

}  // namespace fovea
