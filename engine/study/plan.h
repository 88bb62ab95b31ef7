// What a study is: models x folds on one store. DIR/study.json, written once; the folders and files
// below it.
//
//   DIR/study.json                          the plan
//   DIR/<model>/config.json                 what `fovea train` is given
//   DIR/<model>/fold<K>/                    snapshots and logs of `fovea train`, and
//                       train.log           what it said
//                       lock                held while a process works on the job
//                       outcome.json        why it ended, where its files alone do not tell
//                       score_<N>.json      measures of snapshot N; score_average_<N>, score_best,
//                                           score_ensemble_<N>: of what else there is (score.h)
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"

namespace fovea::study {

struct PlannedModel {
  std::string name;              // of its config file, without extension
  Json config = Json::object();  // resolved, with the study's settings in it

  template <class Self, class V>
  static void visit(Self& m, V&& v) {
    v("name", m.name), v("config", m.config);
  }
};

struct Plan {
  int format = 1;
  std::string store;
  std::vector<int> folds;
  std::vector<std::string> settings;  // as asked for: they are in every config
  // How jobs run. A job that is resumed must run on as many threads and alike, or its bits differ.
  std::string device = "cpu", precision = "fp32", engine = "ordered";
  int threads = 1;  // of one job
  int jobs = 1;     // at once
  std::vector<PlannedModel> models;

  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("format", p.format), v("store", p.store), v("folds", p.folds), v("settings", p.settings),
        v("device", p.device), v("precision", p.precision), v("engine", p.engine),
        v("threads", p.threads), v("jobs", p.jobs), v("models", p.models);
  }
};

// A training run of the plan. Jobs are numbered model by model, fold by fold.
struct Job {
  std::size_t model = 0;
  std::string name;  // of the model
  int fold = 0;
  std::int64_t max_iter = 0;
  std::int64_t images_per_iteration = 0;
};
[[nodiscard]] std::vector<Job> jobs_of(const Plan& plan);

[[nodiscard]] std::filesystem::path plan_path(const std::filesystem::path& study);
[[nodiscard]] std::filesystem::path config_path(const std::filesystem::path& study,
                                                const std::string& model);
[[nodiscard]] std::filesystem::path job_folder(const std::filesystem::path& study, const Job& job);

// Error when there is no plan, or one of another format.
[[nodiscard]] Plan read_plan(const std::filesystem::path& study);
// The folders, the configs, and last the plan itself: a study without a plan has not begun.
void write_plan(const std::filesystem::path& study, const Plan& plan);

// What a command line asked of a study; empty fields were not asked for.
struct Request {
  std::string store;
  std::vector<int> folds;
  std::vector<std::string> settings;
  std::vector<PlannedModel> models;
  std::string device, precision, engine;
  int threads = 0;
  std::int64_t max_iter = 0;          // of every model
  std::optional<std::uint64_t> seed;  // of every model
};
// Error with one line where `request` asks for something else than the plan of `study` says.
void require_same(const Plan& plan, const Request& request, const std::filesystem::path& study);

}  // namespace fovea::study
