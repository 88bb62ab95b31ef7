// `fovea study plots`: accuracy over iterations, as the study's figures show it.
#include "apps/common.h"
#include "apps/study.h"
#include "apps/study_figures.h"

namespace fovea::apps {
namespace {

struct Arguments {
  std::string study, out, format = "both";
};

void run(const Arguments& a) {
  namespace fs = std::filesystem;
  const study::Plan plan = study::read_plan(a.study);
  const std::vector<StudyFigure> figures = study_figures(a.study, plan);
  require(!figures.empty(), "no scores in ", a.study,
          ", expected those of `fovea study score` on every fold");
  const fs::path folder = a.out.empty() ? fs::path(a.study) / "plots" : fs::path(a.out);
  fs::create_directories(folder);
  const FigureFormats formats{.svg = a.format != "png", .png = a.format != "svg"};
  std::vector<fs::path> files;
  for (const StudyFigure& figure : figures) {
    for (const fs::path& file :
         write_figure(figure.drawing, (folder / figure.name).string(), true, formats)) {
      talk("wrote " + file.string());
      files.push_back(file);
    }
  }
  print_written(files);
}

}  // namespace

void add_study_plots_command(CLI::App& study) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = study.add_subcommand("plots", "accuracy over iterations, a figure per net");
  c->add_option("DIR", a->study, "folder of the study, scored")->required();
  c->add_option("--out", a->out,
                "folder for the figures (default DIR/plots); drawn anew each time");
  c->add_option("--format", a->format, "svg, png or both")
      ->check(CLI::IsMember({"svg", "png", "both"}))
      ->capture_default_str();
  c->footer("Example: fovea study plots runs/study");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
