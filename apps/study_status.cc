// `fovea study status` and `fovea study emit-slurm`.
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/study.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/study/job_state.h"
#include "engine/study/slurm.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

std::string hours(const std::optional<double>& seconds) {
  if (!seconds) return "-";
  const auto minutes = static_cast<std::int64_t>(std::ceil(*seconds / 60));
  return str(minutes / 60, ":", std::setw(2), std::setfill('0'), minutes % 60, " h");
}

struct Overview {
  study::Plan plan;
  std::vector<study::Job> jobs;
  std::vector<study::JobState> states;
  std::optional<double> seconds;
};

Overview look_at(const std::string& folder) {
  Overview o{.plan = study::read_plan(folder)};
  o.jobs = study::jobs_of(o.plan);
  for (const study::Job& job : o.jobs)
    o.states.push_back(study::read_job_state(study::job_folder(folder, job), job));
  o.seconds = study::seconds_left(o.plan, o.jobs, o.states, o.plan.jobs);
  return o;
}

std::map<study::Phase, int> counts_of(const Overview& o) {
  std::map<study::Phase, int> counts;
  for (const auto& [name, phase] : enum_names<study::Phase>) counts[phase] = 0;
  for (const study::JobState& s : o.states) ++counts[s.phase];
  return counts;
}

Json to_json(const Overview& o) {
  Json jobs = Json::array();
  for (std::size_t i = 0; i < o.jobs.size(); ++i) {
    const study::JobState& s = o.states[i];
    jobs.push_back({{"job", i},
                    {"model", o.jobs[i].name},
                    {"fold", o.jobs[i].fold},
                    {"state", enum_name(s.phase)},
                    {"iteration", s.iteration},
                    {"max_iter", o.jobs[i].max_iter},
                    {"snapshot", s.snapshot},
                    {"loss", number(s.loss)},
                    {"accuracy", number(s.accuracy)},
                    {"images_per_s", number(s.images_per_s)},
                    {"error", s.error.empty() ? Json() : Json(s.error)}});
  }
  Json document = {{"jobs", jobs}};
  for (const auto& [phase, count] : counts_of(o)) document[std::string(enum_name(phase))] = count;
  document["seconds_left"] = number(o.seconds);
  return document;
}

std::string fixed_or_dash(const std::optional<double>& value, int digits) {
  return value ? str(std::fixed, std::setprecision(digits), *value) : "-";
}

void print_table(const Overview& o) {
  std::size_t width = 6;
  for (const study::Job& job : o.jobs) width = std::max(width, job.name.size());
  const auto name_width = static_cast<int>(width + 2);
  std::cout << std::left << std::setw(5) << "job" << std::setw(name_width) << "model"
            << std::setw(6) << "fold" << std::setw(9) << "state" << std::right << std::setw(18)
            << "iteration" << std::setw(9) << "loss" << std::setw(11) << "images/s" << '\n';
  for (std::size_t i = 0; i < o.jobs.size(); ++i) {
    const study::JobState& s = o.states[i];
    std::cout << std::left << std::setw(5) << i << std::setw(name_width) << o.jobs[i].name
              << std::setw(6) << o.jobs[i].fold << std::setw(9) << enum_name(s.phase) << std::right
              << std::setw(18) << str(s.iteration, "/", o.jobs[i].max_iter) << std::setw(9)
              << fixed_or_dash(s.loss, 4) << std::setw(11) << fixed_or_dash(s.images_per_s, 1)
              << '\n';
    if (!s.error.empty()) std::cout << "     " << s.error << '\n';
  }
  std::string summary;
  for (const auto& [phase, count] : counts_of(o)) {
    if (count > 0) summary += str(summary.empty() ? "" : ", ", count, " ", enum_name(phase));
  }
  std::cout << o.jobs.size() << " jobs: " << summary << "; time left " << hours(o.seconds) << '\n';
}

struct SlurmArguments {
  std::string study, out;
  study::SlurmOptions options;
};

void emit_slurm(const SlurmArguments& a) {
  const study::Plan plan = study::read_plan(a.study);
  write_file(a.out,
             study::slurm_script(plan, fs::canonical(a.study), fs::read_symlink("/proc/self/exe"),
                                 a.options),
             common().force);
  talk(str("wrote ", a.out, ": sbatch ", a.out, " runs ", study::jobs_of(plan).size(), " tasks"));
  print_written({a.out});
}

}  // namespace

void add_study_status_command(CLI::App& study) {
  auto folder = std::make_shared<std::string>();
  CLI::App* c = study.add_subcommand("status", "how far each job is, and the time left");
  c->add_option("DIR", *folder, "folder of the study")->required();
  c->footer("Example: fovea study status runs/study");
  c->callback([folder] {
    const Overview overview = look_at(*folder);
    common().json ? print_json(to_json(overview)) : print_table(overview);
  });
}

void add_study_slurm_command(CLI::App& study) {
  auto a = std::make_shared<SlurmArguments>();
  CLI::App* c = study.add_subcommand("emit-slurm", "a job array for the cluster scheduler Slurm");
  c->add_option("DIR", a->study, "folder of the study, on a file system that the nodes share")
      ->required();
  c->add_option("--out", a->out, "script to write")->required();
  c->add_option("--time", a->options.time, "of a task, HH:MM:SS")->capture_default_str();
  c->add_option("--memory", a->options.memory, "of a task")->capture_default_str();
  c->add_option("--gpus", a->options.gpus, "per task")->capture_default_str();
  c->add_option("--at-once", a->options.at_once, "tasks at a time, 0 = no limit")
      ->capture_default_str();
  c->add_option("--partition", a->options.partition, "of the cluster");
  c->footer(
      "Begin the study first: fovea study run DIR --data STORE --configs all --plan-only\n\n"
      "Example: fovea study emit-slurm runs/study --out study.sbatch --time 12:00:00");
  c->callback([a] { emit_slurm(*a); });
}

}  // namespace fovea::apps
