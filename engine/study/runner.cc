#include "engine/study/runner.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <sstream>
#include <thread>

#include "engine/core/file.h"
#include "engine/core/split_list.h"
#include "engine/parallel/communicator.h"
#include "engine/study/child_process.h"
#include "engine/study/job_lock.h"
#include "engine/study/job_state.h"

namespace fovea::study {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds(20);
// So often a job may be killed without a new snapshot in between: then it is its own fault
// (memory).
constexpr int kMostKills = 5;

// What the process said from `offset` of its log on.
std::vector<std::string> said_since(const fs::path& log, std::uintmax_t offset) {
  const std::string text = read_file(log);
  std::istringstream lines(text.substr(std::min<std::size_t>(offset, text.size())));
  std::vector<std::string> result;
  for (std::string line; std::getline(lines, line);) result.push_back(line);
  return result;
}

std::string error_of(const std::vector<std::string>& said, int code) {
  constexpr std::string_view kMark = "fovea: error: ";
  for (auto line = said.rbegin(); line != said.rend(); ++line) {
    if (line->starts_with(kMark)) return line->substr(kMark.size());
  }
  return str("ended with code ", code, said.empty() ? "" : ": " + said.back());
}

std::string duration(Clock::time_point since) {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - since).count();
  return str(s / 60, ":", s % 60 < 10 ? "0" : "", s % 60);
}

class Runner {
 public:
  Runner(const Plan& plan, const RunOptions& options)
      : plan_(plan), options_(options), jobs_(jobs_of(plan)), kills_(jobs_.size()) {
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      if (options.only.empty() || std::ranges::find(options.only, j) != options.only.end())
        pending_.push_back(j);
    }
    result_.jobs = pending_.size();
    for (std::size_t s = 0; s < options.slots.size(); ++s) free_.push_back(s);
  }

  RunResult run() {
    while (!pending_.empty() || !running_.empty()) {
      if (options_.stop && options_.stop->load()) return stop();
      start_jobs();
      collect();
      if (!pending_.empty() || !running_.empty()) std::this_thread::sleep_for(kPause);
    }
    return result_;
  }

 private:
  struct Running {
    std::size_t job, slot;
    JobLock lock;
    ChildProcess process;
    std::int64_t snapshot;  // it began from
    std::uintmax_t log_offset;
    Clock::time_point since;
  };

  void say(std::size_t job, const std::string& what) const {
    if (options_.report)
      options_.report(str("[", job, "] ", jobs_[job].name, " fold ", jobs_[job].fold, ": ", what));
  }

  // Starts what is free, for as long as there are slots; what others work on stays pending.
  void start_jobs() {
    for (std::size_t n = pending_.size(); n > 0 && !free_.empty(); --n) {
      const std::size_t job = pending_.front();
      pending_.pop_front();
      const fs::path folder = job_folder(options_.study, jobs_[job]);
      std::optional<JobLock> lock = JobLock::take(folder);
      if (!lock) {
        if (std::ranges::find(elsewhere_, job) == elsewhere_.end()) {
          elsewhere_.push_back(job);
          say(job, "another process works on it");
        }
        pending_.push_back(job);
      } else if (read_job_state(folder, jobs_[job]).phase == Phase::kDone) {
        ++result_.done;
      } else {
        start(job, folder, std::move(*lock));
      }
    }
  }

  void start(std::size_t job, const fs::path& folder, JobLock lock) {
    forget_outcome(folder);
    const std::size_t slot = free_.back();
    free_.pop_back();
    const Slot& at = options_.slots[slot];
    const fs::path log = folder / "train.log";
    std::error_code ignored;
    const std::uintmax_t offset = fs::exists(log, ignored) ? fs::file_size(log) : 0;
    const std::int64_t snapshot = read_job_state(folder, jobs_[job]).snapshot;
    ChildOptions child{.program = options_.program,
                       .arguments = train_arguments(plan_, jobs_[job], options_.study, at.device),
                       .log = log,
                       .environment = {},
                       .without = kLauncherVariables,  // under mpirun we are a rank, a job is none
                       .inherited = lock.descriptor()};
    if (!at.visible_gpus.empty())
      child.environment.emplace_back("CUDA_VISIBLE_DEVICES", at.visible_gpus);
    say(job, str(snapshot > 0 ? str("goes on from iteration ", snapshot) : "begins", " on ",
                 at.device, at.visible_gpus.empty() ? "" : " " + at.visible_gpus, ", ",
                 plan_.threads, plan_.threads == 1 ? " thread" : " threads"));
    running_.push_back(
        {job, slot, std::move(lock), ChildProcess(child), snapshot, offset, Clock::now()});
  }

  void collect() {
    for (std::size_t i = 0; i < running_.size();) {
      const std::optional<ChildExit> exit = running_[i].process.poll();
      if (!exit) {
        ++i;
        continue;
      }
      const Running ended = std::move(running_[i]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      free_.push_back(ended.slot);
      settle(ended, *exit);
    }
  }

  void settle(const Running& ended, const ChildExit& exit) {
    const Job& job = jobs_[ended.job];
    const fs::path folder = job_folder(options_.study, job);
    const JobState state = read_job_state(folder, job);
    const std::vector<std::string> said = said_since(folder / "train.log", ended.log_offset);
    const bool interrupted = std::ranges::any_of(said, [](const std::string& line) {
      return line.find("go on with --resume") != std::string::npos;
    });
    if (state.snapshot >= job.max_iter && exit.code == 0 && exit.signal == 0) {
      done(ended, str("done in ", duration(ended.since)));
    } else if (exit.signal > 0 || interrupted) {
      killed(ended, state, exit.signal);
    } else if (exit.code == 0) {
      write_finished(folder);
      done(ended, str("ended early at iteration ", state.iteration));
    } else {
      fail(ended.job, error_of(said, exit.code));
    }
  }

  void done(const Running& ended, const std::string& what) {
    ++result_.done;
    say(ended.job, what);
  }

  void killed(const Running& ended, const JobState& state, int signal) {
    int& kills = kills_[ended.job];
    kills = state.snapshot > ended.snapshot ? 1 : kills + 1;
    const std::string what = signal > 0 ? str("killed by signal ", signal) : "stopped";
    if (kills >= kMostKills)
      return fail(ended.job, str(what, " ", kills, " times without a new snapshot"));
    say(ended.job, str(what, " at iteration ", state.iteration));
    pending_.push_front(ended.job);
  }

  void fail(std::size_t job, const std::string& error) {
    write_failed(job_folder(options_.study, jobs_[job]), error);
    ++result_.failed;
    say(job, "failed: " + error);
  }

  // Every job takes a snapshot where it is.
  RunResult stop() {
    for (const Running& r : running_) r.process.ask_to_stop();
    while (!running_.empty()) {
      for (std::size_t i = 0; i < running_.size();) {
        if (!running_[i].process.poll()) {
          ++i;
          continue;
        }
        say(running_[i].job, "stopped");
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      }
      std::this_thread::sleep_for(kPause);
    }
    result_.stopped = true;
    return result_;
  }

  const Plan& plan_;
  const RunOptions& options_;
  std::vector<Job> jobs_;
  std::vector<int> kills_;
  std::deque<std::size_t> pending_;
  std::vector<std::size_t> free_, elsewhere_;
  std::vector<Running> running_;
  RunResult result_;
};

}  // namespace

std::vector<Slot> slots_of(const std::vector<std::string>& devices, const std::string& visible) {
  const std::vector<std::string> gpus = split_list(visible);
  std::vector<Slot> slots;
  for (const std::string& device : devices) {
    if (!device.starts_with("cuda:")) {
      slots.push_back({device, ""});
      continue;
    }
    const std::string number = device.substr(5);
    require(!number.empty() && number.size() < 4 &&
                number.find_first_not_of("0123456789") == std::string::npos,
            "wrong device: '", device, "', expected cuda:N");
    const auto n = static_cast<std::size_t>(std::stoi(number));
    require(gpus.empty() || n < gpus.size(), "no device ", device, ": CUDA_VISIBLE_DEVICES is ",
            visible);
    slots.push_back({"cuda", gpus.empty() ? number : gpus[n]});
  }
  return slots;
}

std::vector<std::string> train_arguments(const Plan& plan, const Job& job, const fs::path& study,
                                         const std::string& device) {
  return {"train",
          config_path(study, job.name).string(),
          "--data",
          plan.store,
          "--fold",
          str(job.fold),
          "--out",
          (study / job.name).string(),
          "--resume",
          "--threads",
          str(plan.threads),
          "--device",
          device,
          "--precision",
          plan.precision,
          "--engine",
          plan.engine};
}

RunResult run_jobs(const Plan& plan, const RunOptions& options) {
  expects(!options.slots.empty(), "a slot to run in");
  return Runner(plan, options).run();
}

}  // namespace fovea::study
