// What a training run writes down while it goes: log.jsonl (first line: the run's description),
// log.csv and TensorBoard events, one entry for every display interval, each on disk when add()
// returns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/core/fields.h"
#include "engine/train/event_file.h"

namespace fovea {

struct TrainProgress {
  std::int64_t iteration = 0, max_iter = 0;  // iterations done
  double loss = 0, accuracy = 0, images_per_s = 0;
  float lr = 0;
};

class RunLog {
 public:
  // Entries behind iteration `resumed_at` are dropped; 0 begins anew.
  RunLog(const std::filesystem::path& folder, const Json& description, std::int64_t resumed_at);

  void add(const TrainProgress& progress) const;

 private:
  std::filesystem::path json_, csv_;
  EventFile events_;
};

}  // namespace fovea
