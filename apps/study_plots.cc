// `fovea study plots`: accuracy over iterations, as the study's figures show it.
#include "apps/common.h"
#include "apps/study.h"
#include "apps/study_figures.h"
#include "engine/core/file.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string study, out;
};

void run(const Arguments& a) {
  namespace fs = std::filesystem;
  const study::Plan plan = study::read_plan(a.study);
  const std::vector<StudyFigure> figures = study_figures(a.study, plan);
  require(!figures.empty(), "no scores in ", a.study,
          ", expected those of `fovea study score` on every fold");
  const fs::path folder = a.out.empty() ? fs::path(a.study) / "plots" : fs::path(a.out);
  fs::create_directories(folder);
  for (const StudyFigure& figure : figures) {
    write_file(folder / (figure.name + ".svg"), figure.svg);
    talk("wrote " + (folder / (figure.name + ".svg")).string());
  }
}

}  // namespace

void add_study_plots_command(CLI::App& study) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = study.add_subcommand("plots", "accuracy over iterations, a figure (SVG) per net");
  c->add_option("DIR", a->study, "folder of the study, scored")->required();
  c->add_option("--out", a->out,
                "folder for the figures (default DIR/plots); drawn anew each time");
  c->footer("Example: fovea study plots runs/study");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
