// How far a job is, read from the files of its folder alone: any process, on any machine that sees
// them, comes to the same answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/study/plan.h"

namespace fovea::study {

// stopped: begun, but no process works on it.
enum class Phase : int { kWaiting, kRunning, kStopped, kFailed, kDone };

struct JobState {
  Phase phase = Phase::kWaiting;
  std::int64_t iteration = 0;                          // the log's last, or the newest snapshot's
  std::int64_t snapshot = -1;                          // the newest; -1: none
  std::optional<double> loss, accuracy, images_per_s;  // of the log
  std::string error;                                   // of a failed job: one line
};
[[nodiscard]] JobState read_job_state(const std::filesystem::path& folder, const Job& job);

// outcome.json. A job can end before its last iteration (early stopping), or with an error.
void write_finished(const std::filesystem::path& folder);
void write_failed(const std::filesystem::path& folder, const std::string& error);
void forget_outcome(const std::filesystem::path& folder);

// The time until all jobs are done, `at_once` of them at a time, from the rates in their logs: a
// job that has not begun is taken to be as fast as the others of its model, or else as those of its
// net. Nothing where no log tells.
[[nodiscard]] std::optional<double> seconds_left(const Plan& plan, const std::vector<Job>& jobs,
                                                 const std::vector<JobState>& states, int at_once);

}  // namespace fovea::study

namespace fovea {
template <>
inline constexpr EnumTable<study::Phase, 5> enum_names<study::Phase>{
    {{"waiting", study::Phase::kWaiting},
     {"running", study::Phase::kRunning},
     {"stopped", study::Phase::kStopped},
     {"failed", study::Phase::kFailed},
     {"done", study::Phase::kDone}}};
}  // namespace fovea
