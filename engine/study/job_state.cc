#include "engine/study/job_state.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/study/job_lock.h"
#include "engine/train/run_log.h"
#include "engine/train/snapshots.h"

namespace fovea::study {
namespace {

namespace fs = std::filesystem;

fs::path outcome_path(const fs::path& folder) { return folder / "outcome.json"; }

// The rate is the mean of the last entries: single ones count a snapshot's or a mean image's time.
constexpr std::size_t kRateEntries = 10;

void read_log(const fs::path& folder, JobState& state) {
  std::vector<double> rates;
  for (const Json& entry : read_run_log(folder).entries) {
    state.iteration = std::max(state.iteration, entry["iteration"].get<std::int64_t>());
    if (entry.value("loss", Json()).is_number()) state.loss = entry["loss"].get<double>();
    if (entry.value("accuracy", Json()).is_number())
      state.accuracy = entry["accuracy"].get<double>();
    if (const Json rate = entry.value("images_per_s", Json()); rate.is_number())
      rates.push_back(rate.get<double>());
  }
  const std::size_t count = std::min(rates.size(), kRateEntries);
  if (count == 0) return;
  const double sum =
      std::accumulate(rates.end() - static_cast<std::ptrdiff_t>(count), rates.end(), 0.0);
  if (sum > 0) state.images_per_s = sum / static_cast<double>(count);
}

std::int64_t images_left(const Job& job, const JobState& state) {
  return std::max<std::int64_t>(job.max_iter - state.iteration, 0) * job.images_per_iteration;
}

}  // namespace

JobState read_job_state(const fs::path& folder, const Job& job) {
  JobState state{.snapshot = newest_snapshot(folder)};
  read_log(folder, state);
  state.iteration = std::max(state.iteration, std::max<std::int64_t>(state.snapshot, 0));
  Json outcome = Json::object();
  std::error_code ignored;
  if (fs::exists(outcome_path(folder), ignored)) outcome = read_json_file(outcome_path(folder));
  if (state.snapshot >= job.max_iter || outcome.value("finished", false)) {
    state.phase = Phase::kDone;
  } else if (is_locked(folder)) {
    state.phase = Phase::kRunning;
  } else if (outcome.contains("error")) {
    state.phase = Phase::kFailed;
    state.error = outcome["error"].get<std::string>();
  } else if (state.iteration > 0) {
    state.phase = Phase::kStopped;
  }
  return state;
}

void write_finished(const fs::path& folder) {
  write_file(outcome_path(folder), Json({{"finished", true}}).dump() + "\n");
}

void write_failed(const fs::path& folder, const std::string& error) {
  write_file(outcome_path(folder), Json({{"error", error}}).dump() + "\n");
}

void forget_outcome(const fs::path& folder) { fs::remove(outcome_path(folder)); }

std::optional<double> seconds_left(const Plan& plan, const std::vector<Job>& jobs,
                                   const std::vector<JobState>& states, int at_once) {
  std::map<std::string, double> by_model, by_net;  // images per second
  const auto net_of = [&](const Job& job) {
    return plan.models[job.model].config.value("net", std::string());
  };
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!states[i].images_per_s) continue;
    by_model[jobs[i].name] = by_net[net_of(jobs[i])] = *states[i].images_per_s;
  }
  double sum = 0, longest = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (states[i].phase == Phase::kDone) continue;
    double rate = states[i].images_per_s.value_or(0);
    if (const auto m = by_model.find(jobs[i].name); rate <= 0 && m != by_model.end())
      rate = m->second;
    if (const auto n = by_net.find(net_of(jobs[i])); rate <= 0 && n != by_net.end())
      rate = n->second;
    if (rate <= 0) return std::nullopt;
    const double seconds = static_cast<double>(images_left(jobs[i], states[i])) / rate;
    sum += seconds, longest = std::max(longest, seconds);
  }
  return std::max(longest, sum / std::max(at_once, 1));
}

}  // namespace fovea::study
