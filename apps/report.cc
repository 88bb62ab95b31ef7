// `fovea report`: one self-contained HTML page of trained folds: loss, accuracy, confusion,
// explained faces.
#include <algorithm>
#include <filesystem>

#include "apps/common.h"
#include "apps/resolve.h"
#include "apps/run_report.h"
#include "data/batch_source.h"
#include "data/report_page.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/io/weights.h"
#include "engine/train/config.h"
#include "engine/train/evaluate.h"
#include "engine/train/trainer.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> runs;
  std::string store, out, rule = "study", title = "Fovea", command;
  int fold = 0, faces = 6;
};

// A trained fold with everything that its part of the page needs.
class TaskReport {
 public:
  TaskReport(const Arguments& a, const Store& store, const fs::path& run)
      : a_(a), store_(store), folder_(run / str("fold", a.fold)) {
    read_json(read_json_file(folder_ / "config.json"), config_, (folder_ / "config.json").string());
    iteration_ = newest_snapshot(folder_);
    require(iteration_ >= 0, "no snapshot in ", folder_.string(),
            ", expected iter_<N>.safetensors with its .state");
    model_ = read_model(folder_ / str("iter_", iteration_, ".safetensors"));
  }

  ReportTask make() {
    const Json description = run_description(folder_);
    ReportTask task{.title = config_.target == "age" ? "Age" : "Gender",
                    .summary = {},
                    .facts = {},
                    .loss = loss_curve(folder_),
                    .accuracy = {},
                    .classes = model_.classes,
                    .confusion = {},
                    .ordered = config_.target == "age",
                    .faces = {}};
    const View& view =
        store_.view(str(config_.target, "/", config_.alignment, "/fold", a_.fold, "/test"));
    evaluate_view(view, task);
    task.faces = explained_faces(store_, view, model_, config_, a_.rule, a_.faces);
    task.summary =
        str(config_.net, ", trained for ", iteration_, " iterations of ", config_.data.batch,
            " images and tested on ", view.records.size(), " faces of subjects it has never seen.");
    task.facts = {{"Net", config_.net},
                  {"Test view", std::string(view.name)},
                  {"Crop", str(config_.data.crop, " pixels")},
                  {"Iterations", str(iteration_)},
                  {"Seed", str(config_.seed)},
                  {"Threads", description.value("threads", Json()).dump()}};
    return task;
  }

 private:
  void evaluate_view(const View& view, ReportTask& task) {
    constexpr int kBatch = 32;
    const BatchSource source(
        store_,
        {.view = std::string(view.name), .batch = kBatch, .transform = seen_by(model_, config_)});
    const Graph graph = build_graph(model_net(model_, "", kBatch));
    Executor executor(prune_to(graph, {graph.nodes.back().tops[0]}), {.device = resolve_device()});
    load_weights(executor, model_.file, model_.path);
    std::vector<float> labels(kBatch);
    std::vector<int> truth, predicted;
    for (std::int64_t batch = 0; batch < source.batches_per_epoch(); ++batch) {
      source.load(batch, executor.input("data"), labels);
      executor.forward();
      const Tensor<float> p = executor.tensor(executor.graph().nodes.back().tops[0]);
      for (std::int64_t r = 0; r < kBatch && std::ssize(truth) < source.epoch_size(); ++r) {
        const float* row = p.values.data() + r * p.shape.c();
        predicted.push_back(static_cast<int>(std::max_element(row, row + p.shape.c()) - row));
        truth.push_back(static_cast<int>(labels[static_cast<std::size_t>(r)]));
      }
    }
    task.confusion = evaluate(truth, predicted, static_cast<int>(model_.classes.size())).confusion;
  }

  const Arguments& a_;
  const Store& store_;
  fs::path folder_;
  TrainConfig config_;
  std::int64_t iteration_ = -1;
  Model model_;
};

void run(const Arguments& a) {
  const Store store(a.store);
  ReportPage page{.title = a.title,
                  .lead =
                      "A face classifier trained from a JSON config, tested on an unseen fold, and "
                      "explained by relevance maps.",
                  .facts = {{"Store", fs::path(a.store).filename().string()},
                            {"Images", str(store.size())},
                            {"Fold", str(a.fold)},
                            {"Device", resolve_device()},
                            {"Relevance rule", a.rule}},
                  .command = a.command,
                  .tasks = {},
                  .footer = str("Fovea ", FOVEA_VERSION)};
  for (const std::string& folder : a.runs)
    page.tasks.push_back(TaskReport(a, store, folder).make());
  write_report_page(page, a.out, common().force);
  talk("wrote " + a.out);
  print_written({a.out});
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand(
      "report", "one HTML page of trained runs: curves, confusion, explained faces");
  c->add_option("RUN", a->runs, "folders that `fovea train` wrote")->required();
  c->add_option("--data", a->store, "the store they were trained on")->required();
  c->add_option("--out", a->out, "page to write (.html)")->required();
  c->add_option("--fold", a->fold, "fold")->capture_default_str();
  c->add_option("--faces", a->faces, "explained faces per run")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  c->add_option("--rule", a->rule, "relevance rule")->capture_default_str();
  c->add_option("--title", a->title, "title")->capture_default_str();
  c->add_option("--repeat", a->command, "command shown as the one that repeats the page");
  c->footer("Example: fovea report runs/age runs/gender --data faces.fovea --out page.html");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
