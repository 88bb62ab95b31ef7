// `fovea study run`: trains every model of a study on every fold, or goes on with it.
#include <omp.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "apps/common.h"
#include "apps/folds.h"
#include "apps/relevance_many.h"
#include "apps/resolve.h"
#include "apps/study.h"
#include "engine/core/json_fields.h"
#include "engine/study/model_name.h"
#include "engine/study/plan.h"
#include "engine/study/runner.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string study, store, configs, folds, devices;
  std::vector<std::string> settings;
  std::int64_t max_iter = 0;
  int jobs = 0;
  std::vector<std::size_t> only;
  bool plan_only = false;
  // Which of the options that work everywhere were given.
  bool seed = false, threads = false, device = false, precision = false, engine = false;
};

std::atomic<bool> interrupted = false;
void on_interrupt(int) { interrupted = true; }

// The study's models by name: what "--configs all" stands for.
std::vector<std::string> all_models() {
  std::vector<std::string> names;
  for (const fs::path& folder : shared_folders("configs")) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().stem().string();
      if (entry.path().extension() == ".json" && study::parse_model_name(name))
        names.push_back(name);
    }
    if (!names.empty()) break;
  }
  require(!names.empty(), "no configs of the study in ", shared_folders("configs")[0].string());
  std::ranges::sort(names);
  return names;
}

// A file that a config names is found from any folder, later.
void make_absolute(std::string& file, bool only_files) {
  if (!file.empty() && (!only_files || fs::exists(file))) file = fs::absolute(file).string();
}

std::vector<study::PlannedModel> models_of(const Arguments& a) {
  std::vector<std::string> settings = a.settings;
  if (a.max_iter > 0) settings.push_back(str("solver.max_iter=", a.max_iter));
  if (a.seed) settings.push_back(str("seed=", common().seed));
  std::vector<study::PlannedModel> models;
  for (const std::string& name : a.configs == "all" ? all_models() : split_list(a.configs)) {
    const fs::path file = resolve_config(name);
    TrainConfig config = load_config(file, settings);
    (void)resolve_net(config.net);
    make_absolute(config.net, true), make_absolute(config.weights, false);
    models.push_back({file.stem().string(), write_json(config)});
    const auto same = [&](const auto& m) { return m.name == models.back().name; };
    require(std::ranges::count_if(models, same) == 1, "two configs of one name in --configs: '",
            models.back().name, "', expected each once");
  }
  return models;
}

std::vector<int> folds_of(const Arguments& a, const Store& store,
                          const std::vector<study::PlannedModel>& models) {
  std::vector<int> folds;
  TrainConfig config;
  read_json(models.at(0).config, config, models[0].name);
  for (const std::string& fold : split_list(a.folds)) {
    for (const int k : chosen_folds(store, config, fold)) folds.push_back(k);
  }
  std::ranges::sort(folds);
  const auto repeated = std::ranges::unique(folds);
  folds.erase(repeated.begin(), repeated.end());
  require(!folds.empty(), "no folds, expected --folds all or K,K,...");
  return folds;
}

// Every view that training asks for is there before anything starts.
void require_views(const study::Plan& plan, const Store& store) {
  for (const study::Job& job : study::jobs_of(plan)) {
    TrainConfig config;
    read_json(plan.models[job.model].config, config, job.name);
    (void)store.view(fold_view(config, job.fold, "train"));
  }
}

int cores() { return std::max(omp_get_num_procs(), 1); }

study::Plan make_plan(const Arguments& a) {
  require(!a.store.empty(), "no study in ", a.study, ": expected --data STORE to begin one");
  const Store store(a.store);
  study::Plan plan{.store = fs::absolute(a.store).string(),
                   .settings = a.settings,
                   .device = resolve_device(),
                   .precision = common().precision,
                   .engine = common().engine,
                   .jobs = std::max(a.jobs, 1),
                   .models = models_of(a)};
  require(!plan.models.empty(), "no models, expected --configs all or NAME,NAME,...");
  plan.folds = folds_of(a, store, plan.models);
  plan.threads =
      a.threads && common().threads > 0 ? common().threads : std::max(cores() / plan.jobs, 1);
  (void)resolve_execution();  // refused before anything is written
  require_views(plan, store);
  return plan;
}

void require_same_as(const study::Plan& plan, const Arguments& a) {
  study::Request request;
  if (!a.store.empty()) request.store = fs::absolute(a.store).string();
  request.settings = a.settings;
  if (!a.configs.empty()) request.models = models_of(a);
  request.max_iter = a.max_iter;
  if (a.seed) request.seed = common().seed;
  if (!a.folds.empty()) {
    request.folds =
        folds_of(a, Store(plan.store), request.models.empty() ? plan.models : request.models);
  }
  if (a.device) request.device = resolve_device();
  if (a.precision) request.precision = common().precision;
  if (a.engine) request.engine = common().engine;
  if (a.threads) request.threads = common().threads;
  study::require_same(plan, request, a.study);
}

std::vector<study::Slot> slots_of(const Arguments& a, const study::Plan& plan) {
  if (a.devices.empty()) {
    const int jobs = a.jobs > 0 ? a.jobs : plan.jobs;
    return std::vector<study::Slot>(static_cast<std::size_t>(jobs), {plan.device, ""});
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return study::slots_of(split_list(a.devices), visible ? visible : "");
}

void run(Arguments a) {
  const bool goes_on = fs::exists(study::plan_path(a.study));
  if (!goes_on && a.configs.empty()) a.configs = "all";
  if (!goes_on && a.folds.empty()) a.folds = "all";
  if (!goes_on) study::write_plan(a.study, make_plan(a));
  const study::Plan plan = study::read_plan(a.study);
  if (goes_on) require_same_as(plan, a);
  const std::size_t jobs = study::jobs_of(plan).size();
  for (const std::size_t job : a.only)
    require(job < jobs, "wrong --only: ", job, ", expected job numbers below ", jobs);
  if (a.plan_only) {
    talk(str("planned ", jobs, " jobs in ", a.study));
    if (common().json) print_json({{"jobs", jobs}, {"done", 0}});
    return;
  }
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  talk(str("study of ", plan.models.size(), " models on ", plan.folds.size(), " folds of ",
           plan.store, ": ", jobs, " jobs, ", plan.threads, " threads each"));
  const study::RunResult result =
      study::run_jobs(plan, {.program = fs::read_symlink("/proc/self/exe"),
                             .study = a.study,
                             .slots = slots_of(a, plan),
                             .only = a.only,
                             .report = talk,
                             .stop = &interrupted});
  require(!result.stopped, "stopped with ", result.done, " of ", result.jobs,
          " jobs done: `fovea study run ", a.study, "` goes on");
  require(result.failed == 0, result.failed, " of ", result.jobs, " jobs failed in ", a.study,
          ": `fovea study status ", a.study, "` shows why, `fovea study run` tries them again");
  talk(str("all ", result.jobs, " jobs are done"));
  if (common().json) print_json({{"jobs", result.jobs}, {"done", result.done}});
}

}  // namespace

void add_study_run_command(CLI::App& study, CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = study.add_subcommand("run", "train all models on all folds, or go on with it");
  c->add_option("DIR", a->study, "folder of the study; alone: go on with the study in it")
      ->required();
  c->add_option("--data", a->store, "store made by `fovea data`");
  c->add_option("--configs", a->configs,
                "all (the study's 38, the default), or names in configs/ and files: NAME,NAME,...");
  c->add_option("--folds", a->folds, "all (default) | K,K,...");
  c->add_option("--set", a->settings, "key=value over every config: variant=early");
  c->add_option("--max-iter", a->max_iter, "iterations, over every config's")
      ->check(CLI::Range(1, 100000000));
  c->add_option("--jobs", a->jobs, "jobs at once, which share the threads (default 1)")
      ->check(CLI::Range(1, 1024));
  c->add_option("--devices", a->devices, "a job at once on each of these: cuda:0,cuda:1");
  c->add_option("--only", a->only, "only jobs of these numbers (study status shows them)")
      ->delimiter(',');
  c->add_flag("--plan-only", a->plan_only, "write the plan, run nothing");
  c->footer(
      "Kill it, and its jobs, whenever you like: the same command, or `fovea study run DIR`, goes "
      "on.\n\nExample: fovea study run runs/study --data faces.fovea --configs "
      "age_net_definitions,gender_net_definitions");
  c->callback([a, &app] {
    const auto given = [&](const char* option) { return app.count(option) > 0; };
    a->seed = given("--seed"), a->threads = given("--threads"), a->device = given("--device");
    a->precision = given("--precision"), a->engine = given("--engine");
    run(*a);
  });
}

}  // namespace fovea::apps
