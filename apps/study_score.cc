// `fovea study score`: measures every snapshot of every job on its test fold.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/fold_evaluator.h"
#include "apps/folds.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "apps/study.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"
#include "engine/study/job_state.h"
#include "engine/study/model_name.h"
#include "engine/study/result_table.h"
#include "engine/study/score.h"
#include "engine/train/snapshots.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string study;
  bool last = false;
};

std::vector<std::int64_t> unscored(const fs::path& folder, bool last) {
  std::vector<std::int64_t> iterations = snapshot_iterations(folder);
  std::erase(iterations, 0);  // of a job that was stopped before its first iteration
  if (last && !iterations.empty()) iterations = {iterations.back()};
  if (!common().force) {
    std::erase_if(iterations,
                  [&](std::int64_t n) { return fs::exists(study::score_path(folder, n)); });
  }
  return iterations;
}

std::size_t score_job(const Arguments& a, const study::Plan& plan, const study::Job& job,
                      const Store& store) {
  const fs::path folder = study::job_folder(a.study, job);
  const std::vector<std::int64_t> iterations = unscored(folder, a.last);
  if (iterations.empty()) return 0;
  TrainConfig config;
  read_json(plan.models[job.model].config, config, job.name);
  config.alignment = study::test_alignment(config.alignment);
  const View& view = store.view(fold_view(config, job.fold, "test"));
  const auto file_of = [&](std::int64_t n) { return folder / str("iter_", n, ".safetensors"); };
  const Tensor<float> mean = read_model(file_of(iterations[0])).mean;
  FoldEvaluator center(config, store, view, {.mean = mean, .crops = Crops::kCentre}),
      single(config, store, view, {.mean = mean, .crops = Crops::kBottomRight}),
      ten(config, store, view, {.mean = mean, .crops = Crops::kOversample});
  Progress progress("scoring");
  for (std::size_t i = 0; i < iterations.size(); ++i) {
    const std::string file = file_of(iterations[i]).string();
    const WeightFile weights = read_weights(file);
    const auto measured = [&](FoldEvaluator& crops) {
      return study::crop_score(evaluate(crops.predict(weights, file)));
    };
    const study::SnapshotScore score{.iteration = iterations[i],
                                     .count = std::ssize(view.records),
                                     .view = std::string(view.name),
                                     .center = measured(center),
                                     .legacy_single = measured(single),
                                     .oversample = measured(ten)};
    study::write_score(folder, score);
    progress.update(static_cast<std::int64_t>(i) + 1, std::ssize(iterations), job.name);
  }
  talk(str(job.name, " fold ", job.fold, ": ", iterations.size(), " snapshots scored on ",
           view.name));
  return iterations.size();
}

// The study's text files, one per model and iteration that all folds have. Returns how many are
// new.
int write_result_texts(const fs::path& folder, const study::Plan& plan) {
  int written = 0;
  for (const study::PlannedModel& model : plan.models) {
    const study::ModelScores scores = study::read_model_scores(folder, plan, model);
    for (const std::int64_t iteration : study::common_iterations(scores)) {
      const fs::path file = folder / study::result_text_path(model, iteration);
      if (fs::exists(file) && !common().force) continue;
      fs::create_directories(file.parent_path());
      write_file(file, study::result_text(plan.folds, study::scores_at(scores, iteration)));
      ++written;
    }
  }
  return written;
}

Json scores_json(const fs::path& folder, const study::Plan& plan) {
  Json list = Json::array();
  for (const study::Job& job : study::jobs_of(plan)) {
    for (const study::SnapshotScore& score : study::read_scores(study::job_folder(folder, job))) {
      Json entry = {{"model", job.name}, {"fold", job.fold}};
      entry.update(write_json(score));
      list.push_back(std::move(entry));
    }
  }
  return {{"scores", list}};
}

void print_results(const fs::path& folder, const study::Plan& plan) {
  std::cout << std::left << std::setw(42) << "model" << std::setw(12) << "iteration"
            << std::setw(18) << "10 crops, %"
            << "1-off, %\n"
            << std::fixed << std::setprecision(1);
  for (const study::PlannedModel& model : plan.models) {
    const auto result =
        study::result_of(plan, model, study::read_model_scores(folder, plan, model));
    std::cout << std::setw(42) << model.name;
    if (!result) {
      std::cout << "no snapshot is scored on every fold\n";
      continue;
    }
    std::cout << std::setw(12) << result->iteration << std::setw(18)
              << str(std::fixed, std::setprecision(1), result->accuracy.mean, " +- ",
                     result->accuracy.std)
              << (result->target == "age" ? str(std::fixed, std::setprecision(1),
                                                result->one_off.mean, " +- ", result->one_off.std)
                                          : "")
              << '\n';
  }
}

void run(const Arguments& a) {
  const study::Plan plan = study::read_plan(a.study);
  const Store store(plan.store);
  std::size_t scored = 0;
  for (const study::Job& job : study::jobs_of(plan)) scored += score_job(a, plan, job, store);
  const int texts = write_result_texts(a.study, plan);
  talk(str(scored, " snapshots scored, ", texts, " result files written in ", a.study));
  common().json ? print_json(scores_json(a.study, plan)) : print_results(a.study, plan);
}

}  // namespace

void add_study_score_command(CLI::App& study) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = study.add_subcommand(
      "score", "measure every snapshot on its test fold: centre, the study's one crop, ten crops");
  c->add_option("DIR", a->study, "folder of the study")->required();
  c->add_flag("--last", a->last, "only the newest snapshot of each job");
  c->footer(
      "What is scored already is skipped (--force scores it again). Writes score_<N>.json beside "
      "the\nsnapshots and the study's text files in results-*-vs-*/.\n\n"
      "Example: fovea study score runs/study");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
