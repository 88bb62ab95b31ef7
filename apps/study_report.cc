// `fovea study report`: the paper's result table with our numbers, as Markdown, CSV and one page.
#include <filesystem>

#include "apps/common.h"
#include "apps/resolve.h"
#include "apps/run_report.h"
#include "apps/study.h"
#include "apps/study_figures.h"
#include "data/html.h"
#include "data/study_results.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/study/job_state.h"
#include "engine/study/model_name.h"
#include "engine/study/result_table.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string study, out, rule = "study", title = "Age and gender: the study";
  int faces = -1;  // explained per model; -1: as many as keep the page small
};

struct Scored {
  const study::PlannedModel* model;
  study::ModelScores scores;
  study::ModelResult result;
};

std::vector<Scored> scored_models(const Arguments& a, const study::Plan& plan) {
  std::vector<Scored> models;
  for (const study::PlannedModel& model : plan.models) {
    study::ModelScores scores = study::read_model_scores(a.study, plan, model);
    auto result = study::result_of(plan, model, scores);
    if (result) models.push_back({&model, std::move(scores), std::move(*result)});
  }
  require(!models.empty(), "no scores in ", a.study,
          ", expected those of `fovea study score` on every fold");
  return models;
}

std::string title_of(const std::string& model) {
  const auto name = study::parse_model_name(model);
  if (!name) return model;
  return str(name->target == "age" ? "Age" : "Gender", ": ", study::net_title(name->net), " ",
             study::row_label(name->alignment, name->start));
}

// Loss and explained faces are of the first fold; a study whose snapshots or logs were cleared away
// does without.
ReportTask task_of(const Arguments& a, const study::Plan& plan, const Store& store,
                   const Scored& scored) {
  const std::string& name = scored.model->name;
  const fs::path folder = study::job_folder(a.study, {.name = name, .fold = plan.folds[0]});
  TrainConfig config;
  read_json(scored.model->config, config, name);
  const LabelColumn& labels = store.column(config.target);
  ReportTask task{.title = title_of(name),
                  .summary = str(name, ": trained for ", scored.result.iteration, " of ",
                                 scored.result.max_iter, " iterations, tested on ",
                                 plan.folds.size(), plan.folds.size() == 1 ? " fold" : " folds",
                                 "; matrix and scores are of ten crops, over all folds together."),
                  .facts = {},
                  .loss = {},
                  .accuracy = accuracy_curve(scored.scores),
                  .accuracy_title = "Test accuracy, mean over the folds",
                  .classes = {},
                  .confusion = scored.result.confusion,
                  .ordered = config.target == "age",
                  .faces = {}};
  for (const auto& c : labels.classes) task.classes.emplace_back(c);
  if (fs::exists(folder / "log.jsonl")) task.loss = loss_curve(folder);
  const fs::path weights = folder / str("iter_", scored.result.iteration, ".safetensors");
  if (a.faces == 0) return task;
  if (!fs::exists(weights)) {
    talk(str("no heatmaps of ", name, ": ", weights.string(), " is gone"));
    return task;
  }
  const std::string alignment = study::test_alignment(config.alignment);
  const View& view =
      store.view(str(config.target, "/", alignment, "/fold", plan.folds[0], "/test"));
  task.faces = explained_faces(store, view, read_model(weights), config, a.rule, a.faces);
  return task;
}

std::string figures_html(const std::vector<StudyFigure>& figures) {
  std::string html;
  for (const StudyFigure& figure : figures)
    html += str("<div class=\"card sheet\"><img alt=\"", escape_html(figure.title),
                ": accuracy over iterations\" src=\"data:image/svg+xml;base64,",
                base64(to_svg_file(figure.drawing)), "\"></div>");
  return html;
}

study::PaperResults paper_results() {
  for (const fs::path& folder : shared_folders("configs")) {
    const fs::path file = folder / "study" / "paper_results.json";
    if (fs::exists(file)) return study::read_paper_results(file);
  }
  return {.source = "not found", .results = {}};
}

void run(Arguments a) {
  const study::Plan plan = study::read_plan(a.study);
  const std::vector<Scored> models = scored_models(a, plan);
  if (a.faces < 0) a.faces = models.size() > 8 ? 1 : 4;  // a face at full size takes 0.3 MB
  const Store store(plan.store);
  const study::PaperResults paper = paper_results();
  std::vector<study::ModelResult> results;
  for (const Scored& m : models) results.push_back(m.result);
  const std::vector<study::ResultTable> tables{study::result_table("age", results, paper),
                                               study::result_table("gender", results, paper)};
  ReportPage page{
      .title = a.title,
      .lead =
          "Each net, alignment and start of the weights, tested on people it has "
          "never seen, beside the numbers of Lapuschkin et al. 2017.",
      .facts = {{"Store", fs::path(plan.store).filename().string()},
                {"Models", str(models.size(), " of ", plan.models.size())},
                {"Folds", str(plan.folds.size())},
                {"Settings",
                 plan.settings.empty() ? "as the configs say" : Json(plan.settings).dump()},
                {"Heatmaps", a.rule}},
      .command = {},
      .top = study_results_html(tables, paper.source) + figures_html(study_figures(a.study, plan)),
      .tasks = {},
      .footer = str("Fovea ", FOVEA_VERSION)};
  for (const Scored& m : models) page.tasks.push_back(task_of(a, plan, store, m));
  const fs::path folder = a.out.empty() ? fs::path(a.study) / "report" : fs::path(a.out);
  fs::create_directories(folder);
  write_file(folder / "results.md", study::table_markdown(tables, results, paper));
  write_file(folder / "results.csv", study::table_csv(results, paper));
  write_report_page(page, folder / "index.html", /*overwrite=*/true);
  talk(str("wrote results.md, results.csv and index.html in ", folder.string()));
  print_written({folder / "results.md", folder / "results.csv", folder / "index.html"});
}

}  // namespace

void add_study_report_command(CLI::App& study) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = study.add_subcommand(
      "report", "the paper's result table with our numbers: Markdown, CSV and one HTML page");
  c->add_option("DIR", a->study, "folder of the study, scored")->required();
  c->add_option("--out", a->out, "folder to write (default DIR/report); written anew each time");
  c->add_option("--faces", a->faces,
                "explained faces per model (default 4; 1 with more than 8 models)")
      ->check(CLI::Range(0, 100));
  c->add_option("--rule", a->rule, "relevance rule")->capture_default_str();
  c->add_option("--title", a->title, "title of the page")->capture_default_str();
  c->footer("Example: fovea study report runs/study");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
