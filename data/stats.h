// What is in a store or a view: records, labels, subjects, brightness.
#pragma once

#include "data/store.h"
#include "engine/core/json.h"

namespace fovea {

// {"records", "distinct", "bytes", "labels": {column: {class: count, ..., "missing": count}},
//  "folds": {fold: {column: {class: count}}}, where there is a column `fold`;
//  "subjects": {"count", "most", "fewest", "mean", "examples": [[name, records], ... the five with
//  most]}, where there is a column `subject`;
//  "channels": {"blue": {"mean", "std"}, ...}}: over the entries of `view`, or with null over all
//  records.
// Columns with more than 64 classes (subjects) are given as the number of classes that occur.
[[nodiscard]] Json store_stats(const Store& store, const View* view, int threads);

}  // namespace fovea
