// A job array for the cluster scheduler Slurm: one task per job of a plan.
#pragma once

#include <filesystem>
#include <string>

#include "engine/study/plan.h"

namespace fovea::study {

struct SlurmOptions {
  std::string time = "24:00:00";  // of a task
  std::string memory = "8G";
  int gpus = 0;           // per task
  int at_once = 0;        // tasks at a time; 0: as the cluster likes
  std::string partition;  // "": the cluster's own
};

// The script for `sbatch`. Each task runs one job of the study and goes on where an earlier one was
// stopped: before its time is over Slurm sends SIGTERM, the job takes a snapshot, and the task asks
// to be queued again.
[[nodiscard]] std::string slurm_script(const Plan& plan, const std::filesystem::path& study,
                                       const std::filesystem::path& program,
                                       const SlurmOptions& options);

// 'text' for a shell.
[[nodiscard]] std::string shell_quoted(const std::string& text);

}  // namespace fovea::study
