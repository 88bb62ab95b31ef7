#include "data/study_figure.h"

#include <algorithm>
#include <cmath>

#include "data/html.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr double kPanelWidth = 640, kPanelHeight = 330, kTitle = 34, kGap = 16, kLegend = 40;
constexpr std::string_view kColours =
    "polyline{stroke-linecap:round}"
    ".aligned{stroke:#1f6fb4}.unaligned{stroke:#8a5cc0}.mixed{stroke:#e8820c}"
    ".fromscratch{stroke-opacity:.5}.imdbwiki{stroke-dasharray:7 5}";

// "chart-" and the classes that colour a line: LineChart takes one name.
std::string classes_of(const StudyCurve& curve) {
  return str("curve ", curve.alignment, " ", curve.start);
}

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

std::string panel_svg(const StudyPanel& panel, double left) {
  LineChart chart{.description = panel.title + ": accuracy over training iterations",
                  .x_label = "Training iterations",
                  .y_label = "Accuracy, ten crops",
                  .y_is_share = true,
                  .lines = {},
                  .references = panel.references};
  for (const StudyCurve& curve : panel.curves)
    chart.lines.push_back({.name = classes_of(curve), .points = curve.points});
  fit(chart);
  return str("<text x=\"", left + 20, "\" y=\"22\" class=\"title\">", escape_html(panel.title),
             "</text><svg x=\"", left, "\" y=\"", kTitle, "\" width=\"", kPanelWidth,
             "\" height=\"", kPanelHeight, "\">", to_svg(chart), "</svg>");
}

std::string legend_svg(const std::vector<StudyPanel>& panels) {
  std::string svg;
  std::vector<std::string> shown;
  double x = 60;
  const double y = kTitle + kPanelHeight + 22;
  for (const StudyPanel& panel : panels) {
    for (const StudyCurve& curve : panel.curves) {
      if (std::ranges::find(shown, curve.label) != shown.end()) continue;
      shown.push_back(curve.label);
      svg += str("<line x1=\"", x, "\" x2=\"", x + 26, "\" y1=\"", y, "\" y2=\"", y,
                 "\" stroke-width=\"2\" class=\"", classes_of(curve), "\"/><text x=\"", x + 33,
                 "\" y=\"", y + 4, "\" class=\"legend\">", escape_html(curve.label), "</text>");
      x += 84;
    }
  }
  return svg;
}

}  // namespace

std::string study_figure(const std::vector<StudyPanel>& panels) {
  // One panel alone stands in a figure as wide as the others: the same scale, side by side on a
  // page.
  const double count = std::max(static_cast<double>(panels.size()), 2.0);
  const double width = count * kPanelWidth + (count - 1) * kGap;
  const double height = kTitle + kPanelHeight + kLegend;
  std::string svg =
      str("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", width, "\" height=\"", height,
          "\" viewBox=\"0 0 ", width, ' ', height, "\"><style>", chart_file_style(), kColours,
          "</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
  for (std::size_t i = 0; i < panels.size(); ++i)
    svg += panel_svg(panels[i], static_cast<double>(i) * (kPanelWidth + kGap));
  return svg + legend_svg(panels) + "</svg>\n";
}

}  // namespace fovea
