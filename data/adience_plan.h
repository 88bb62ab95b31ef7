// What a store of the Adience layout will hold, worked out before any image is opened: images with
// labels, and views.
//
// Images are identified by their path "<user>/<file>" below the folder of their alignment; file
// names are landmark_aligned_face.<face_id>.<original_image> (aligned) and
// coarse_tilt_aligned_face.... (unaligned).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/folds.h"
#include "data/lists.h"
#include "data/study_views.h"
#include "engine/core/fields.h"

namespace fovea {

// mixed: both; trains on both and tests on both, and holds the aligned and the unaligned views too.
enum class Alignment : int { kAligned = 0, kUnaligned = 1, kMixed = 2 };
template <>
inline constexpr EnumTable<Alignment, 3> enum_names<Alignment>{
    {{"aligned", Alignment::kAligned},
     {"unaligned", Alignment::kUnaligned},
     {"mixed", Alignment::kMixed}}};

struct PlannedImage {
  std::string path;                           // <user>/<file>
  Alignment alignment = Alignment::kAligned;  // never kMixed
  std::string subject;                        // the user
  std::int32_t fold = kMissing;
  std::array<std::int32_t, 2> labels{kMissing, kMissing};  // by Target
};

struct PlannedView {
  Target target = Target::kAge;
  Alignment alignment = Alignment::kAligned;
  int fold = 0;
  std::string split;
  std::vector<std::uint32_t>
      images;  // indices into AdiencePlan::images; repeated rows repeat theirs
};

struct AdiencePlan {
  std::vector<PlannedImage> images;  // in the order of first appearance; each is in some view
  std::vector<PlannedView> views;
  int folds = 0;
  std::int64_t repeated_rows = 0;  // rows whose face an earlier row has named
  std::int64_t rows_without_label = 0;
};

// Views drawn from the fold files (data/study_views.h). Rows of one face with different labels are
// an Error.
[[nodiscard]] AdiencePlan plan_from_folds(const FoldFiles& files, Alignment alignment,
                                          std::uint64_t seed,
                                          Validation validation = Validation::kFaces);

// Views as the lists say; labels that the lists lack come from the fold files (which may be empty).
// A label that contradicts another list or the fold files, or an image of another alignment, is an
// Error.
[[nodiscard]] AdiencePlan plan_from_lists(const std::vector<ImageList>& lists,
                                          const FoldFiles& files, Alignment alignment);

// Takes the images with missing[i] out of the plan and of its views.
void drop_images(AdiencePlan& plan, const std::vector<bool>& missing);

}  // namespace fovea
