// `fovea train`: folds of a store by a config.
#include <omp.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <optional>

#include "apps/common.h"
#include "apps/fold_evaluator.h"
#include "apps/folds.h"
#include "apps/resolve.h"
#include "apps/train_view.h"
#include "data/loader.h"
#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/train/config.h"
#include "engine/train/filler.h"
#include "engine/train/trainer.h"
#include "kernels/cpu/isa.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string config, store, fold = "0", out;
  std::vector<std::string> settings;
  bool resume = false, seed_given = false;
  std::int64_t max_iter = 0;
};

std::atomic<bool> interrupted = false;
void on_interrupt(int) { interrupted = true; }

// The blob of class scores: what the last (main) loss reads.
std::string scores_blob(const NetDefinition& net) {
  for (auto layer = net.layers.rbegin(); layer != net.layers.rend(); ++layer) {
    if (std::holds_alternative<SoftmaxLossParams>(layer->op)) return layer->bottoms[0];
  }
  throw Error(
      str("no loss in net ", net.name, ", expected a softmax_loss layer in the train phase"));
}

// What a snapshot carries besides weights: enough to run it with the right preprocessing.
WeightFile model_of(const TrainConfig& config, const fs::path& net_file, const LabelColumn& column,
                    Tensor<float> mean) {
  Json parameters = config.parameters;
  parameters["classes"] = column.classes.size();
  WeightFile model;
  model.metadata = {{"classes", Json(column.classes).dump()}, {"target", config.target},
                    {"alignment", config.alignment},          {"crop", str(config.data.crop)},
                    {"scale", str(config.data.scale)},        {"channel_order", "BGR"},
                    {"net_parameters", parameters.dump()}};
  if (net_file.extension() == ".json") model.metadata["net"] = read_json_file(net_file).dump();
  model.tensors.emplace_back("__mean__", std::move(mean));
  return model;
}

// The config with the class weights that it asks for.
TrainConfig with_class_weights(TrainConfig config, const View& view, const LabelColumn& column) {
  if (config.loss.weighting != "balanced") return config;
  std::vector<std::int64_t> counts(column.classes.size());
  for (const std::uint32_t record : view.records) {
    const int label = column.values[record];
    if (label >= 0) ++counts[static_cast<std::size_t>(label)];
  }
  config.loss.class_weights = balanced_class_weights(counts);
  return config;
}

void print_report(const WeightReport& report, const std::string& file) {
  talk(str("weights from ", file, ": ", report.matched.size(), " matched, ", report.missing.size(),
           " missing, ", report.unused.size(), " unused"));
  for (const auto& name : report.missing) talk("  missing: " + name + " (keeps its filler)");
  for (const auto& name : report.unused) talk("  unused:  " + name);
}

LoaderOptions loading_of(const Arguments& a, const TrainConfig& config, const View& view,
                         const Tensor<float>& mean) {
  LoaderOptions loading{
      .view = std::string(view.name),
      .batch = static_cast<int>(config.data.batch),
      .transform = {.crop = static_cast<int>(config.data.crop),
                    .mean = mean,
                    .scale = config.data.scale},
      .crops = Crops::kRandom,
      .mirror = config.data.mirror,
      .class_weights = config.data.class_weights,
      .augment = {.rotation = config.data.rotation,
                  .zoom = config.data.zoom,
                  .brightness = config.data.brightness,
                  .colour = config.data.colour},
      .seed = config.seed,
      .threads = static_cast<int>(config.data.workers),
      .prefetch = static_cast<int>(std::max(config.data.prefetch, config.data.workers))};
  read_json(Json(config.data.sampling), loading.sampling, a.config + ".data.sampling");
  return loading;
}

void report_end(const TrainConfig& config, const TrainResult& result) {
  if (result.stopped_early) {
    talk(str("stopped early at iteration ", result.iteration, ": ", config.evaluation.patience,
             " evaluations without a better ", enum_name(config.evaluation.measure)));
  } else if (result.iteration < config.solver.max_iter) {
    talk(str("stopped at iteration ", result.iteration, "; go on with --resume"));
  }
  if (result.best_iteration >= 0)
    talk(str("best ", enum_name(config.evaluation.measure), " ", result.best_value,
             " at iteration ", result.best_iteration));
}

void train_fold(const Arguments& a, const TrainConfig& config, const Store& store, int fold) {
  const fs::path folder = fs::path(a.out) / str("fold", fold), net_file = resolve_net(config.net);
  if (!a.resume && !common().force) require_no_snapshots(folder);
  const View& view = store.view(fold_view(config, fold, "train"));
  const LabelColumn& column = store.columns()[static_cast<std::size_t>(view.target)];
  const auto classes = static_cast<std::int64_t>(column.classes.size());
  const NetDefinition net = configured_net(with_class_weights(config, view, column), net_file,
                                           Phase::kTrain, config.data.batch, classes);
  const std::string scores = scores_blob(net);
  ExecutorOptions execution = resolve_execution();
  const std::string device = execution.device;
  execution.training = true, execution.keep = {scores}, execution.seed = config.seed;
  Executor executor(build_graph(net), execution);
  fill_params(executor, config.seed);
  if (!config.weights.empty())
    print_report(load_weights(executor, read_weights(config.weights), config.weights),
                 config.weights);

  Tensor<float> mean = mean_image(store, view, omp_get_max_threads());
  LoaderOptions loading = loading_of(a, config, view, mean);
  std::optional<FoldEvaluator> evaluator;
  if (config.evaluation.interval > 0) {
    evaluator.emplace(config, store, store.view(fold_view(config, fold, config.evaluation.split)),
                      FoldEvaluatorOptions{.mean = mean, .limit = config.evaluation.limit});
  }
  fs::create_directories(folder);
  if (common().force && !a.resume) remove_snapshots(folder);
  const std::int64_t done = a.resume ? std::max<std::int64_t>(newest_snapshot(folder), 0) : 0;
  const std::int64_t batch = config.data.batch * config.solver.iter_size;
  loading.first_batch = done * config.solver.iter_size;
  write_file(folder / "config.json", write_json(config).dump(2) + "\n");
  // What was measured to be the fastest decides the bits: a resumed run must have the same.
  std::string measured;
  if (execution.engine == EngineChoice::kAuto) {
    for (const StepInfo& step : executor.steps()) measured += step.implementation + " ";
  }
  Loader loader(store, loading);
  std::optional<TrainView> shown;
  TrainOptions options{
      .folder = folder,
      .solver = config.solver,
      .evaluation = config.evaluation,
      .evaluate =
          [&](const WeightFile& model) {
            return evaluate(evaluator->predict(model, "the net in training"));
          },
      .resume = a.resume,
      .made_with = {{"device", device},
                    {"precision", common().precision},
                    {"engine", common().engine},
                    {"measured", measured},
                    {"threads", omp_get_max_threads()},
                    {"arithmetic", cpu::arithmetic_description()}},
      .resume_anyway = common().force,
      .model = model_of(config, net_file, column, std::move(mean)),
      .description = {{"net", config.net},
                      {"view", view.name},
                      {"store", fs::path(a.store).filename().string()},
                      {"fold", fold},
                      {"seed", config.seed},
                      {"device", device},
                      {"precision", common().precision},
                      {"engine", common().engine},
                      {"threads", omp_get_max_threads()},
                      {"ranks", 1}},
      .scores = scores,
      .report = [&](const TrainProgress& p) { shown->report(p); },
      .tick = [&](std::int64_t iteration, double loss) { shown->tick(iteration, loss); },
      .stop = &interrupted};
  talk(str("training ", config.net, " on ", view.name, ": ", view.records.size(), " images, ",
           classes, " classes, device ", device, ", ", common().precision, ", engine ",
           common().engine, ", ", omp_get_max_threads(), " threads, seed ", config.seed));
  shown.emplace(done, config.solver.max_iter, batch);
  const TensorView<float> images = executor.input("data");
  const std::span<float> labels = executor.input("label").span();
  const TrainResult result =
      train(executor, options, [&](std::int64_t) { loader.next(images, labels); });
  shown.reset();
  report_end(config, result);
}

void run(const Arguments& a) {
  TrainConfig config = load_config(a.config, a.settings);
  if (a.max_iter > 0) config.solver.max_iter = a.max_iter;
  if (a.seed_given) config.seed = common().seed;
  (void)resolve_execution();  // refused before anything is opened
  const Store store(a.store);
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  for (const int fold : chosen_folds(store, config, a.fold)) {
    if (!interrupted) train_fold(a, config, store, fold);
  }
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "train a net on one fold or all, by a config");
  command->add_option("CONFIG", a->config, "training config (configs/*.json)")->required();
  command->add_option("--data", a->store, "store made by `fovea data`")->required();
  command->add_option("--fold", a->fold, "test fold, or all")->capture_default_str();
  command->add_option("--out", a->out, "folder for fold<K>/ with snapshots and logs")->required();
  command->add_option("--set", a->settings, "key=value over the config: solver.base_lr=0.01");
  command->add_flag("--resume", a->resume, "go on from the newest snapshot");
  command->add_option("--max-iter", a->max_iter, "iterations, over the config's")
      ->check(CLI::Range(1, 100000000));
  command->footer(
      "Example: fovea train configs/demo.json --data faces.fovea --fold 0 --out runs/demo");
  command->callback([a, &app] {
    a->seed_given = app.count("--seed") > 0;
    run(*a);
  });
}

}  // namespace fovea::apps
