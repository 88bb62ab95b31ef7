// What a store's splits share that they should not, and what its labels are worth.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "data/image.h"
#include "data/store.h"
#include "engine/core/json.h"

namespace fovea {

// A perceptual hash of 64 bits (difference hash): grey, shrunk to 9 x 8 by area means, a bit for
// each pair of neighbours in a row. Equal for a picture that was resized, recompressed or made a
// little brighter; for other pictures about half of the bits differ. Source: Krawetz 2013, "Kind of
// like that".
[[nodiscard]] std::uint64_t difference_hash(const Image& image);

struct AuditOptions {
  int max_distance = 2;  // bits in which near duplicates may differ
  int threads = 0;
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

// {"records", "exact_duplicates", "near_duplicates", "label_conflicts", "views": [{"fold": "age/
//  aligned/fold0", "train", "val", "test", "shared_subjects": {"train_val", "train_test"},
//  "subjects", "shared_images", "shared_duplicates", "class_skew",
//  "absent_classes"}], "protocol": [sentences], "examples"}.
// Duplicates are pairs of records (n equal images are n - 1 pairs), shared_duplicates the records
// of val or test with a duplicate in train: exact ones have equal pixels, near ones hashes that
// differ in at most max_distance bits and are not exact; flat pictures (hash of fewer than 4 set or
// unset bits) are left out of near ones. A label conflict is an exact duplicate with another label
// of a column that a view is about. class_skew is the share of the largest class in train over that
// of the smallest, null where train lacks the absent_classes.
[[nodiscard]] Json audit_store(const Store& store, const AuditOptions& options);

}  // namespace fovea
