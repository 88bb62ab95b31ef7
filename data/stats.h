// What is in a store or a view: records, labels, subjects, brightness.
#pragma once

#include "data/store.h"

namespace fovea {

// {"records", "distinct", "bytes", "labels": {column: {class: count, ..., "missing": count}},
//  "channels": {"blue": {"mean", "std"}, ...}}: over the entries of `view`, or with null over all
//  records.
// Columns with more than 64 classes (subjects) are given as the number of classes that occur.
[[nodiscard]] Json store_stats(const Store& store, const View* view, int threads);

}  // namespace fovea
