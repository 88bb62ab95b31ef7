// What a training run writes down while it goes: log.jsonl (first line: the run's description),
// log.csv and TensorBoard events, one entry for every display interval and every evaluation, each
// on disk when add() returns. An evaluation is a key of its entry, log.jsonl's "evaluation":
// {"split", "count", "accuracy", "one_off", "mae", "loss", "expected_mae",
// "expected_accuracy", "per_class_recall", "confusion", "best", "stops"}, columns eval_* of log.csv
// (confusion rows between ';'), tags eval/* of TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "engine/train/evaluate.h"
#include "engine/train/event_file.h"

namespace fovea {

struct MeasuredProgress {
  Evaluation result;
  bool best = false;   // of those so far
  bool stops = false;  // patience is at its end: the run's last line
};

struct TrainProgress {
  std::int64_t iteration = 0, max_iter = 0;  // iterations done
  double loss = 0, accuracy = 0, images_per_s = 0;
  float lr = 0;
  std::optional<MeasuredProgress> evaluation;
};

class RunLog {
 public:
  // Entries behind iteration `resumed_at` are dropped; 0 begins anew. `split` is what the run
  // evaluates on; empty: it does not, and the log has no place for it.
  RunLog(const std::filesystem::path& folder, const Json& description, std::int64_t resumed_at,
         std::string split = "");

  void add(const TrainProgress& progress) const;

 private:
  std::filesystem::path json_, csv_;
  std::string split_;
  EventFile events_;
};

// What log.jsonl in `folder` holds: its description (null where that is missing or damaged) and the
// entries that are whole; a run may be writing the last one.
struct SavedRunLog {
  Json description;
  std::vector<Json> entries;
};
[[nodiscard]] SavedRunLog read_run_log(const std::filesystem::path& folder);

}  // namespace fovea
