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
#include "apps/train_ranks.h"
#include "apps/train_record.h"
#include "apps/train_view.h"
#include "data/feed.h"
#include "data/mean.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/parallel/communicator.h"
#include "engine/train/config.h"
#include "engine/train/filler.h"
#include "engine/train/trainer.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string config, store, fold = "0", out, batches = "auto";
  std::vector<std::string> settings;
  bool resume = false, seed_given = false;
  std::int64_t max_iter = 0;
  double comm_timeout = 600;
  std::string sum = "auto";
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

// But for the mean image.
LoaderOptions loading_of(const Arguments& a, const TrainConfig& config, const View& view,
                         std::int64_t batch, const Communicator& ranks) {
  LoaderOptions loading{
      .view = std::string(view.name),
      .batch = static_cast<int>(batch),
      .transform = {.crop = static_cast<int>(config.data.crop), .scale = config.data.scale},
      .crops = Crops::kRandom,
      .mirror = config.data.mirror,
      .class_weights = config.data.class_weights,
      .augment = {.rotation = config.data.rotation,
                  .zoom = config.data.zoom,
                  .brightness = config.data.brightness,
                  .colour = config.data.colour},
      .seed = config.seed,
      .rank = ranks.rank(),
      .ranks = ranks.size(),
      .threads = static_cast<int>(config.data.workers),
      .prefetch = static_cast<int>(std::max(config.data.prefetch, config.data.workers))};
  read_json(Json(config.data.sampling), loading.sampling, a.config + ".data.sampling");
  return loading;
}

void report_end(const TrainConfig& config, std::int64_t begun, const TrainResult& result) {
  if (result.stopped_early) {
    talk(str("stopped early at iteration ", result.iteration, ": ", config.evaluation.patience,
             " evaluations without a better ", enum_name(config.evaluation.measure)));
  } else if (result.iteration < config.solver.max_iter) {
    talk(str("stopped at iteration ", result.iteration, "; go on with --resume"));
  } else if (begun >= config.solver.max_iter) {
    talk(str("nothing to do: the run is at iteration ", begun, " of ", config.solver.max_iter));
  }
  if (result.best_iteration >= 0)
    talk(str("best ", enum_name(config.evaluation.measure), " ", result.best_value,
             " at iteration ", result.best_iteration));
}

// The iteration that the run begins with. Rank 0's business.
std::int64_t first_iteration(const Arguments& a, const TrainConfig& config, const fs::path& folder,
                             Communicator& ranks) {
  std::int64_t done = 0;
  if (ranks.first() && a.resume) {
    done = std::max<std::int64_t>(newest_snapshot(folder), 0);
    if (done > 0 && !common().force) require_resumable(config, folder);
  }
  ranks.broadcast(std::as_writable_bytes(std::span(&done, 1)), "the newest snapshot");
  return done;
}

// Behind all that may be refused.
void begin_folder(const Arguments& a, const TrainConfig& config, const fs::path& folder) {
  fs::create_directories(folder);
  if (common().force && !a.resume) remove_snapshots(folder);
  write_file(folder / "config.json", write_json(config).dump(2) + "\n");
}

void talk_start(const TrainConfig& config, const View& view, std::size_t classes,
                const std::string& device, const Communicator& ranks, const ChosenSum& sums) {
  const std::string several =
      sums.sum ? str(ranks.size(), " ranks of ", config.data.batch / ranks.size(),
                     " images a batch, summed by ", sums.sum->name(), ", with ")
               : "";
  if (!sums.note.empty()) talk("no NCCL, gradients are summed by the hosts: " + sums.note);
  talk(str("training ", config.net, " on ", view.name, ": ", view.records.size(), " images, ",
           classes, " classes, device ", device, ", ", common().precision, ", engine ",
           common().engine, ", ", several, omp_get_max_threads(), " threads, seed ", config.seed));
}

// Whether to go on with further folds. Adds to `runs` what --json tells of this one.
bool train_fold(const Arguments& a, const TrainConfig& config, const Store& store, int fold,
                Communicator& ranks, Json& runs) {
  const fs::path folder = fs::path(a.out) / str("fold", fold), net_file = resolve_net(config.net);
  if (ranks.first() && !a.resume && !common().force) require_no_snapshots(folder);
  const View& view = store.view(fold_view(config, fold, "train"));
  const LabelColumn& column = store.columns()[static_cast<std::size_t>(view.target)];
  const std::int64_t batch = batch_of_rank(config, ranks, a.config);
  const NetDefinition net = configured_net(with_class_weights(config, view, column), net_file,
                                           Phase::kTrain, batch, std::ssize(column.classes));
  const std::string scores = scores_blob(net);
  ExecutorOptions execution = resolve_execution();
  const std::string device = execution.device;
  LoaderOptions loading = loading_of(a, config, view, batch, ranks);
  FeedKind batches = FeedKind::kAuto;
  read_json(Json(a.batches), batches, "--batches");
  std::string on_host;
  execution.device_inputs = feeds_on_device(store, loading, device, batches, &on_host);
  execution.training = true, execution.keep = {scores}, execution.seed = config.seed;
  Executor executor(build_graph(net), execution);
  fill_params(executor, config.seed);
  if (!config.weights.empty())
    print_report(load_weights(executor, read_weights(config.weights), config.weights),
                 config.weights);
  const Json computation = computation_of(executor, execution, ranks);
  require_same_run(ranks, config, view, computation);
  const ChosenSum sums = sum_of_gradients(ranks, executor.device(), a.sum, a.comm_timeout);

  Tensor<float> mean = mean_image(store, view, omp_get_max_threads());
  loading.transform.mean = mean;
  std::optional<FoldEvaluator> evaluator;
  if (config.evaluation.interval > 0 && ranks.first()) {
    evaluator.emplace(config, store, store.view(fold_view(config, fold, config.evaluation.split)),
                      FoldEvaluatorOptions{.mean = mean,
                                           .limit = config.evaluation.limit,
                                           .host_batches = batches == FeedKind::kHost});
  }
  const std::int64_t done = first_iteration(a, config, folder, ranks);
  loading.first_batch = done * config.solver.iter_size;
  const std::unique_ptr<Feed> feed = open_feed(store, loading, executor, batches);
  if (ranks.first()) begin_folder(a, config, folder);
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
      .made_with = computation,
      .resume_anyway = common().force,
      .model = model_of(config, net_file, column, std::move(mean)),
      .description = description_of(config, a.store, view, fold, device, ranks),
      .scores = scores,
      .report = [&](const TrainProgress& p) { shown->report(p); },
      .tick = [&](std::int64_t iteration, double loss) { shown->tick(iteration, loss); },
      .stop = &interrupted,
      .ranks = &ranks,
      .sum = sums.sum.get()};
  talk_start(config, view, column.classes.size(), device, ranks, sums);
  shown.emplace(done, config.solver.max_iter, config.data.batch * config.solver.iter_size);
  if (!executor.device().host_memory())
    talk(str("batches ", feed->description(), on_host.empty() ? "" : ": ", on_host));
  const TrainResult result = train(executor, options, [&](std::int64_t) { (void)feed->next(); });
  shown.reset();
  report_end(config, done, result);
  runs.push_back({{"fold", fold}, {"folder", folder.string()}, {"iteration", result.iteration}});
  return !result.stop_asked;
}

void run_rank(const Arguments& a, Communicator& ranks) {
  settle_rank(ranks);
  TrainConfig config = load_config(a.config, a.settings);
  if (a.max_iter > 0) config.solver.max_iter = a.max_iter;
  if (a.seed_given) config.seed = common().seed;
  (void)resolve_execution();  // refused before anything is opened
  (void)batch_of_rank(config, ranks, a.config);
  const Store store(a.store);
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  if (ranks.size() > 1) std::signal(SIGUSR1, on_interrupt);  // what mpirun hands on
  Json runs = Json::array();
  for (const int fold : chosen_folds(store, config, a.fold)) {
    const bool stop = ranks.size() == 1 && interrupted;
    if (stop || !train_fold(a, config, store, fold, ranks, runs)) break;
  }
  if (common().json && ranks.first()) print_json({{"runs", runs}});
}

void run(const Arguments& a) {
  const std::unique_ptr<Communicator> ranks = join_ranks(a.comm_timeout);
  if (ranks->size() == 1) return run_rank(a, *ranks);
  try {
    run_rank(a, *ranks);
    ranks->barrier("the end of the training");
  } catch (const std::exception& error) {
    ranks->fail(error.what());
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
  command
      ->add_option("--batches", a->batches,
                   "how batches reach a device: resident (its memory holds the view's 8-bit "
                   "records) | streamed (8-bit records of each batch) | host (floats that the host "
                   "made) | auto; the numbers are the same")
      ->check(CLI::IsMember({"auto", "resident", "streamed", "host"}))
      ->capture_default_str();
  command->add_option("--set", a->settings, "key=value over the config: solver.base_lr=0.01");
  command->add_flag("--resume", a->resume, "go on from the newest snapshot");
  command->add_option("--max-iter", a->max_iter, "iterations, over the config's")
      ->check(CLI::Range(1, 100000000));
  command
      ->add_option("--comm-timeout", a->comm_timeout,
                   "seconds that a rank waits for the others (mpirun -n N fovea train ...)")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command
      ->add_option(
          "--sum", a->sum,
          "what adds up the ranks' gradients: auto (NCCL on GPUs that have it), hosts, nccl")
      ->check(CLI::IsMember({"auto", "hosts", "nccl"}))
      ->capture_default_str();
  command->footer(
      "Example: fovea train configs/demo.json --data faces.fovea --fold 0 --out runs/demo\n"
      "Several processes share each batch: mpirun -n 2 fovea train ... (docs/distributed.md)");
  command->callback([a, &app] {
    a->seed_given = app.count("--seed") > 0;
    run(*a);
  });
}

}  // namespace fovea::apps
