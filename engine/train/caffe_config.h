// A Caffe solver file and its net file as a training config.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "engine/graph/caffe_import.h"
#include "engine/graph/prototxt.h"

namespace fovea {

struct CaffeSolver {
  Json solver;  // a config's "solver": all that the solver's policy uses
  std::optional<std::uint64_t> seed;
  std::string net;                  // as the file says; "" = none
  std::string where;                // of `net`, "FILE:line"
  std::vector<std::string> unused;  // fields that are right in Caffe and mean nothing here
};

// Error with file and line for a field that is not Caffe's, or that would change the training and
// is not supported here.
[[nodiscard]] CaffeSolver import_caffe_solver(const ProtoMessage& solver);

// The values of `json`'s "parameters" with which that net trains as `theirs` does: the same layers,
// blobs and multipliers, and the same fillers unless `theirs` gives none; only those that differ
// from the file's own. Empty optional: it is another net.
[[nodiscard]] std::optional<Json> parameters_of_same_net(const Json& json, const std::string& file,
                                                         const NetDefinition& theirs,
                                                         std::int64_t classes);

// What the training images are, from the words in the database's path: "gender" or "age", "mixed",
// "unaligned" or "aligned"; "" where it does not say.
struct SourceWords {
  std::string target, alignment;
};
[[nodiscard]] SourceWords words_of_source(const std::string& source);

}  // namespace fovea
