// A data set of synthetic faces in the Adience layout: labelled, with masks of what carries the
// labels, reproducible from a seed.
//
//   DIR/aligned/<user>/landmark_aligned_face.<face_id>.<name>.jpg     size x size, JPEG quality 92
//   DIR/fold_<K>_data.txt                                             Adience's header and columns
//   DIR/masks/<user>/landmark_aligned_face.<face_id>.<name>.png       size x size, 8-bit grey
//   DIR/README.txt                                                    what the mask values mean
//
// A subject has one age class, one gender and 1 to 4 pictures, all in one fold. In each fold the 16
// combinations of age and gender take turns, so that their counts differ by at most one subject.
// The same options give the same bytes, whatever the number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/synth_traits.h"

namespace fovea::synth {

struct Options {
  std::int64_t count = 2000;  // faces, at least one per fold
  int size = 256;             // pixels per side, kMinSize or more
  int folds = 5;
  std::uint64_t seed = 0;
  int threads = 0;     // 0: every core
  bool force = false;  // replace what an earlier run wrote into the folder
};
inline constexpr int kMinSize = 16, kMaxSize = 4096;
inline constexpr int kMaxFolds = 100;

// One picture of the set, known before anything is drawn.
struct PlannedFace {
  std::int64_t index = 0;    // over the whole set
  std::int64_t subject = 0;  // over the whole set; its user id is user_id(subject)
  int fold = 0;
  Labels labels;
  bool operator==(const PlannedFace&) const = default;
};

// The set's pictures in the order of the fold files. Error when an option is out of range.
[[nodiscard]] std::vector<PlannedFace> plan_faces(const Options& options);

[[nodiscard]] std::string user_id(std::int64_t subject);  // "synth0001@N00" is subject 0
// "<user>/landmark_aligned_face.<face_id>.<name>" without extension.
[[nodiscard]] std::string face_path(const PlannedFace& face);

// What a mask file's pixels hold: this times the bits kCarriesAge and kCarriesGender, so that 85
// stands for age, 170 for gender, 255 for both, and value & 1, value & 2 are the bits themselves.
inline constexpr int kMaskStep = 85;

// Draws the set into `folder`, which must not exist, be empty, or (with force) hold an earlier set.
// It appears complete or not at all. `drawn` is called after each face with the number done so far,
// from any thread.
void write_faces(const std::filesystem::path& folder, const Options& options,
                 const std::function<void(std::int64_t)>& drawn = {});

}  // namespace fovea::synth
