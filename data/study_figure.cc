#include "data/study_figure.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr float kTitle = 34, kGap = 16, kLegend = 40;

Look look_of(const StudyCurve& curve) {
  const bool aligned = curve.alignment == "aligned", mixed = curve.alignment == "mixed";
  Look look{.color = aligned ? 0x1f6fb4U : mixed ? 0xe8820cU : 0x8a5cc0U, .width = 2};
  if (curve.start == "fromscratch") look.opacity = 0.5F;
  if (curve.start == "imdbwiki") look.dashes = {6, 6};
  return look;
}

std::string name_of(const StudyCurve& curve) { return str(curve.alignment, "-", curve.start); }

// Tenths around everything that is drawn.
void fit(LineChart& chart) {
  double low = 1, high = 0;
  const auto take = [&](double y) { low = std::min(low, y), high = std::max(high, y); };
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& p : line.points) take(p.y);
  }
  for (const ChartReference& r : chart.references) take(r.level);
  chart.y_start = std::floor(std::max(low - 0.02, 0.0) * 10) / 10;
  chart.y_end = std::min(std::ceil((high + 0.02) * 10) / 10, 1.0);
}

Drawing panel_drawing(const StudyPanel& panel) {
  LineChart chart{.description = {},
                  .x_label = "Training iterations",
                  .y_label = "Accuracy, ten crops",
                  .y_is_share = true,
                  .lines = {},
                  .references = panel.references};
  for (const StudyCurve& curve : panel.curves)
    chart.lines.push_back({.name = name_of(curve), .points = curve.points});
  fit(chart);
  const Drawing inner = chart_drawing(chart);
  Drawing drawing{.width = inner.width, .height = kTitle + inner.height};
  drawing.text({20, 22}, Anchor::kStart, panel.title, "title");
  drawing.place(inner, {0, kTitle});
  return drawing;
}

// Every label once, in a row.
void add_legend(Drawing& figure, const std::vector<StudyPanel>& panels, Point at) {
  constexpr float kColumn = 84;
  std::vector<std::string> shown;
  for (const StudyPanel& panel : panels) {
    for (const StudyCurve& curve : panel.curves) {
      if (std::ranges::find(shown, curve.label) != shown.end()) continue;
      shown.push_back(curve.label);
      add_key(figure, at, "chart-" + name_of(curve), curve.label);
      at.x += kColumn;
    }
  }
}

}  // namespace

Drawing study_figure(const std::vector<StudyPanel>& panels) {
  Drawing figure{.looks = chart_figure_looks()};
  for (const StudyPanel& panel : panels) {
    for (const StudyCurve& curve : panel.curves)
      figure.looks.emplace("chart-" + name_of(curve), look_of(curve));
  }
  float left = 0;
  for (const StudyPanel& panel : panels) {
    const Drawing drawing = panel_drawing(panel);
    figure.description +=
        str(figure.description.empty() ? "Accuracy over training iterations: " : "; ", panel.title);
    figure.place(drawing, {left, 0});
    figure.height = drawing.height;
    // One panel alone stands in a figure as wide as the others: the same scale, side by side on a
    // page.
    figure.width = std::max(left + drawing.width, 2 * drawing.width + kGap);
    left += drawing.width + kGap;
  }
  add_legend(figure, panels, {62, figure.height + 22});
  figure.height += kLegend;
  return figure;
}

}  // namespace fovea
