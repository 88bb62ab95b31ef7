// Works through the jobs of a plan: each a process `fovea train --resume`, as many at once as there
// are slots.
//
// A job that was killed goes on from its newest snapshot; one that fails is put down with its error
// and the others go on. Jobs that another process works on are left to it, and taken over when that
// ends without having finished them, so that several machines may run one study.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/study/plan.h"

namespace fovea::study {

// Where one job runs at a time.
struct Slot {
  std::string device = "cpu";  // of `fovea train`
  std::string visible_gpus;    // CUDA_VISIBLE_DEVICES of the process; "": as it is
};
// One slot for each device of a list: "cuda:1" becomes the device cuda with only that GPU in sight,
// so that a job may go on on any of them. `visible` is our own CUDA_VISIBLE_DEVICES. Error where it
// has no such GPU.
[[nodiscard]] std::vector<Slot> slots_of(const std::vector<std::string>& devices,
                                         const std::string& visible);

struct RunOptions {
  std::filesystem::path program, study;
  std::vector<Slot> slots;
  std::vector<std::size_t> only;                   // job numbers; empty: all
  std::function<void(const std::string&)> report;  // a line about a job
  const std::atomic<bool>* stop = nullptr;         // set: snapshots are taken, and run_jobs returns
};

struct RunResult {
  std::size_t done = 0, failed = 0, jobs = 0;
  bool stopped = false;
};
RunResult run_jobs(const Plan& plan, const RunOptions& options);

// `fovea` behind this: what a job's process is given.
[[nodiscard]] std::vector<std::string> train_arguments(const Plan& plan, const Job& job,
                                                       const std::filesystem::path& study,
                                                       const std::string& device);

}  // namespace fovea::study
