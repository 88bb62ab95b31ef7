#include "apps/study_figures.h"

#include "data/study_figure.h"
#include "engine/study/model_name.h"

namespace fovea::apps {
namespace {

// What the study's figures compare with: the first deep net on Adience, and what was best when it
// was published.
std::vector<ChartReference> references_of(const std::string& target) {
  if (target == "age")
    return {{0.507, "Levi, Hassner 2015: 50.7 %"}, {0.64, "Rothe et al. 2015 (DEX): 64.0 %"}};
  return {{0.868, "Levi, Hassner 2015: 86.8 %"}, {0.91, "Dehghan et al. 2017: 91.0 %"}};
}

StudyPanel panel_of(const std::filesystem::path& folder, const study::Plan& plan,
                    std::string_view net, const std::string& target) {
  StudyPanel panel{.title = str(study::net_title(net), ": ", target),
                   .curves = {},
                   .references = references_of(target)};
  const auto add = [&](std::string_view start, std::string_view alignment) {
    for (const study::PlannedModel& model : plan.models) {
      const auto name = study::parse_model_name(model.name);
      if (!name || name->net != net || name->target != target || name->start != start ||
          name->alignment != alignment)
        continue;
      auto points = accuracy_curve(study::read_model_scores(folder, plan, model));
      if (!points.empty())
        panel.curves.push_back(
            {study::row_label(alignment, start), name->alignment, name->start, std::move(points)});
    }
  };
  for (const std::string_view start : study::kStarts) {
    for (const std::string_view alignment : study::kAlignments) add(start, alignment);
  }
  return panel;
}

LineChart other_models(const std::filesystem::path& folder, const study::Plan& plan) {
  LineChart chart{.description = "Accuracy over training iterations",
                  .x_label = "Training iterations",
                  .y_label = "Accuracy, ten crops",
                  .y_is_share = true,
                  .lines = {}};
  for (const study::PlannedModel& model : plan.models) {
    if (study::parse_model_name(model.name)) continue;
    auto points = accuracy_curve(study::read_model_scores(folder, plan, model));
    if (!points.empty())
      chart.lines.push_back({.name = "line", .label = model.name, .points = std::move(points)});
  }
  return chart;
}

}  // namespace

std::vector<ChartPoint> accuracy_curve(const study::ModelScores& scores) {
  std::vector<ChartPoint> points;
  for (const std::int64_t iteration : study::common_iterations(scores)) {
    std::vector<double> values;
    for (const study::SnapshotScore& s : study::scores_at(scores, iteration))
      values.push_back(s.oversample.accuracy);
    points.push_back({static_cast<double>(iteration), spread(values).mean});
  }
  return points;
}

std::vector<StudyFigure> study_figures(const std::filesystem::path& study,
                                       const study::Plan& plan) {
  std::vector<StudyFigure> figures;
  for (const std::string_view net : study::kNets) {
    std::vector<StudyPanel> panels;
    for (const char* target : {"age", "gender"}) {
      StudyPanel panel = panel_of(study, plan, net, target);
      if (!panel.curves.empty()) panels.push_back(std::move(panel));
    }
    const std::string title = study::net_title(net);
    if (!panels.empty()) figures.push_back({"accuracy_" + title, title, study_figure(panels)});
  }
  const LineChart others = other_models(study, plan);
  if (!others.lines.empty())
    figures.push_back({"accuracy_others", "Other models", chart_figure(others, "Other models")});
  return figures;
}

}  // namespace fovea::apps
