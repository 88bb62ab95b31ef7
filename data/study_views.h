// The study's views: target x alignment x fold x {train, val, train_subset, test}, as lists of
// items.
//
// test = the rows of fold K that have the target's label. The other labelled rows are train and val
// together: val is a drawn tenth. The draw is by face, so that no face of val, in either alignment,
// is in train, not even where a row is repeated. train_subset is a drawn part of train of val's
// size, for measuring the training accuracy. Draws depend on (seed, fold) alone; lists keep the
// order of the fold files.
//
// That is the study's protocol, whose val shares people with train. With Validation::kSubjects val
// is a tenth drawn by user, so that nobody in val is in train.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/folds.h"
#include "engine/core/fields.h"

namespace fovea {

inline constexpr std::array<std::string_view, 4> kSplits{"train", "val", "train_subset", "test"};

// What the validation draw keeps together.
enum class Validation : int { kFaces, kSubjects };
template <>
inline constexpr EnumTable<Validation, 2> enum_names<Validation>{
    {{"study", Validation::kFaces}, {"subject-exclusive", Validation::kSubjects}}};

// Row numbers by split, in the order of kSplits; a row may be listed as often as it stands in the
// fold files.
using SplitRows = std::array<std::vector<std::uint32_t>, kSplits.size()>;

// `face_of_row` numbers the faces: rows with equal numbers are one face.
[[nodiscard]] SplitRows draw_splits(std::span<const FaceRow> rows,
                                    std::span<const std::uint32_t> face_of_row, Target target,
                                    int fold, std::uint64_t seed,
                                    Validation validation = Validation::kFaces);

// "age/aligned/fold0/test"
[[nodiscard]] std::string view_name(Target target, std::string_view alignment, int fold,
                                    std::string_view split);

}  // namespace fovea
