// `fovea study score`: measures every snapshot of every job on its test fold.
#include <algorithm>
#include <array>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "apps/common.h"
#include "apps/ensemble.h"
#include "apps/folds.h"
#include "apps/progress.h"
#include "apps/resolve.h"
#include "apps/study.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/safetensors.h"
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
  int ensemble = 0;
};

// Something of a job to score: one file, or the members of an ensemble.
struct Target {
  study::Scored weights = study::Scored::kSnapshot;
  std::int64_t iteration = 0;
  std::vector<fs::path> files;
};

// The iteration that a run's best weights are of; 0 where the file does not say.
std::int64_t best_iteration(const fs::path& file) {
  const auto metadata = read_safetensors_metadata(file);
  const auto found = metadata.find("iteration");
  try {
    return found == metadata.end() ? 0 : std::stoll(found->second);
  } catch (const std::logic_error&) {
    throw Error(str("wrong metadata in ", file.string(), ": iteration ", found->second,
                    ", expected a number"));
  }
}

std::vector<Target> targets_of(const fs::path& folder, const Arguments& a) {
  std::vector<std::int64_t> iterations = snapshot_iterations(folder);
  std::erase(iterations, 0);  // of a job that was stopped before its first iteration
  const auto snapshot = [&](std::int64_t n) { return snapshot_path(folder, n, ".safetensors"); };
  std::vector<Target> targets;
  const std::size_t first = a.last && !iterations.empty() ? iterations.size() - 1 : 0;
  for (std::size_t i = first; i < iterations.size(); ++i) {
    const std::int64_t n = iterations[i];
    targets.push_back({study::Scored::kSnapshot, n, {snapshot(n)}});
    if (fs::exists(average_path(folder, n)))
      targets.push_back({study::Scored::kAverage, n, {average_path(folder, n)}});
  }
  if (fs::exists(best_path(folder)))
    targets.push_back(
        {study::Scored::kBest, best_iteration(best_path(folder)), {best_path(folder)}});
  const auto members = static_cast<std::size_t>(a.ensemble);
  if (members > 1 && iterations.size() >= members) {
    Target together{study::Scored::kEnsemble, iterations.back(), {}};
    for (std::size_t i = iterations.size() - members; i < iterations.size(); ++i)
      together.files.push_back(snapshot(iterations[i]));
    targets.push_back(std::move(together));
  }
  return targets;
}

// Whether its score lies there already: the best weights are others when training goes on, an
// ensemble when another number of members is asked for.
bool is_scored(const fs::path& folder, const Target& target) {
  if (!fs::exists(study::score_path(folder, target.iteration, target.weights))) return false;
  for (const study::SnapshotScore& score : study::read_scores(folder, target.weights)) {
    if (score.iteration == target.iteration) return score.members == std::ssize(target.files);
  }
  return false;
}

study::SnapshotScore score_of(const Target& target, const View& view, ModelEvaluator& evaluator) {
  std::array<std::vector<Predictions>, 3> members;  // [crops][member]
  for (const fs::path& file : target.files) {
    std::vector<Predictions> predictions = evaluator.predict(read_model(file));
    for (std::size_t c = 0; c < members.size(); ++c)
      members[c].push_back(std::move(predictions[c]));
  }
  const auto measured = [&](std::size_t c) {
    return study::crop_score(evaluate(mean_of(members[c])));
  };
  return {.iteration = target.iteration,
          .count = std::ssize(view.records),
          .view = std::string(view.name),
          .center = measured(0),
          .legacy_single = measured(1),
          .oversample = measured(2),
          .weights = target.weights,
          .members = static_cast<int>(target.files.size())};
}

std::size_t score_job(const Arguments& a, const study::Plan& plan, const study::Job& job,
                      const Store& store) {
  const fs::path folder = study::job_folder(a.study, job);
  std::vector<Target> targets = targets_of(folder, a);
  if (!common().force) std::erase_if(targets, [&](const auto& t) { return is_scored(folder, t); });
  if (targets.empty()) return 0;
  TrainConfig config;
  read_json(plan.models[job.model].config, config, job.name);
  config.alignment = study::test_alignment(config.alignment);
  const View& view = store.view(fold_view(config, job.fold, "test"));
  ModelEvaluator evaluator(config, store, view,
                           {Crops::kCentre, Crops::kBottomRight, Crops::kOversample});
  Progress progress("scoring");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    study::write_score(folder, score_of(targets[i], view, evaluator));
    progress.update(static_cast<std::int64_t>(i) + 1, std::ssize(targets), job.name);
  }
  talk(str(job.name, " fold ", job.fold, ": ", targets.size(), " snapshots scored on ", view.name));
  return targets.size();
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

constexpr std::array kKinds{study::Scored::kSnapshot, study::Scored::kAverage, study::Scored::kBest,
                            study::Scored::kEnsemble};

Json scores_json(const fs::path& folder, const study::Plan& plan) {
  Json list = Json::array();
  for (const study::Job& job : study::jobs_of(plan)) {
    for (const auto weights : kKinds) {
      for (const auto& score : study::read_scores(study::job_folder(folder, job), weights)) {
        Json entry = {{"model", job.name}, {"fold", job.fold}};
        entry.update(write_json(score));
        list.push_back(std::move(entry));
      }
    }
  }
  return {{"scores", list}};
}

void print_row(const std::string& name, const std::string& iteration, const Spread& accuracy,
               const Spread& one_off, bool age) {
  const auto text = [](const Spread& s) {
    return str(std::fixed, std::setprecision(1), s.mean, " +- ", s.std);
  };
  std::cout << std::setw(42) << name << std::setw(12) << iteration << std::setw(18)
            << text(accuracy) << (age ? text(one_off) : "") << '\n';
}

// What each fold has besides its snapshots.
void print_others(const fs::path& folder, const study::Plan& plan,
                  const study::PlannedModel& model) {
  for (const auto weights :
       {study::Scored::kAverage, study::Scored::kBest, study::Scored::kEnsemble}) {
    const auto scores = study::newest_scores(folder, plan, model, weights);
    if (scores.empty()) continue;
    std::vector<double> accuracy, one_off;
    bool one_iteration = true;
    for (const study::SnapshotScore& s : scores) {
      accuracy.push_back(100 * s.oversample.accuracy),
          one_off.push_back(100 * s.oversample.one_off);
      one_iteration = one_iteration && s.iteration == scores[0].iteration;
    }
    const std::string members =
        weights == study::Scored::kEnsemble ? str(" of ", scores[0].members) : "";
    print_row(str("  ", enum_name(weights), members),
              one_iteration ? str(scores[0].iteration) : "by fold", spread(accuracy),
              spread(one_off), model.config.value("target", std::string()) == "age");
  }
}

void print_results(const fs::path& folder, const study::Plan& plan) {
  std::cout << std::left << std::setw(42) << "model" << std::setw(12) << "iteration"
            << std::setw(18) << "10 crops, %"
            << "1-off, %\n";
  for (const study::PlannedModel& model : plan.models) {
    const auto result =
        study::result_of(plan, model, study::read_model_scores(folder, plan, model));
    if (result) {
      print_row(model.name, str(result->iteration), result->accuracy, result->one_off,
                result->target == "age");
    } else {
      std::cout << std::setw(42) << model.name << "no snapshot is scored on every fold\n";
    }
    print_others(folder, plan, model);
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
  c->add_option("--ensemble", a->ensemble,
                "also the N newest snapshots of each job together: the mean of their class "
                "probabilities")
      ->check(CLI::Range(2, 1000));
  c->footer(
      "Scores averaged weights (solver.ema) and the best ones (evaluation.keep_best) of a run, "
      "too.\n"
      "What is scored already is skipped (--force scores it again). Writes score_<N>.json beside "
      "the\nsnapshots and the study's text files in results-*-vs-*/.\n\n"
      "Example: fovea study score runs/study");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
