// Line charts: hairline grid, axis labels, lines, levels to compare with.
//
// The looks of a chart are named chart-grid, chart-base, chart-axis, chart-label, chart-reference,
// chart-note, and chart-<name of the line>: classes of the page that it goes into, or looks of a
// figure of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/drawing.h"

namespace fovea {

struct ChartPoint {
  double x = 0, y = 0;
};

struct ChartLine {
  std::string name;        // its look behind "chart-": "line" or "raw"
  std::string label = {};  // written at its right end; "" for none
  std::vector<ChartPoint> points;
};

// A level to compare with.
struct ChartReference {
  double level = 0;
  std::string label = {};
};

struct LineChart {
  std::string description;  // for screen readers
  std::string x_label, y_label;
  double y_start = 0;       // the y axis runs from this or from a multiple of a round step below it
  double y_end = 0;         // at least up to this, where it is > 0
  double x_end = 0;         // the x axis runs from 0 to this, or to the last point
  bool y_is_share = false;  // y is written as per cent and runs to 1 where there is no y_end
  std::vector<ChartLine> lines;
  std::vector<ChartReference> references = {};
};

[[nodiscard]] Drawing chart_drawing(const LineChart& chart);

// The chart as a figure of its own: each line in a colour of its own (a line named "control" dashed
// and gray), a title above, and the lines' labels as a legend below instead of at their ends.
[[nodiscard]] Drawing chart_figure(LineChart chart, const std::string& title);

// The looks of such figures, but for those of the lines; also "title" and "legend".
[[nodiscard]] const std::map<std::string, Look>& chart_figure_looks();

// A sample of the line with its name behind it, as a legend has them; `at` is the sample's left
// end.
void add_key(Drawing& figure, Point at, const std::string& look, const std::string& label);

// Means of equal stretches of the points, at most `count` of them: what a chart can show.
[[nodiscard]] std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points,
                                              std::size_t count);
// For each point the value there of the straight line fitted to it and up to `reach` points to
// either side: no lag on a falling curve, no bias at its ends. Points that are not finite are left
// out.
[[nodiscard]] std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points,
                                               std::size_t reach);
// Round steps (1, 2 or 5 times a power of ten) that divide [0, high] into at most `count` parts.
[[nodiscard]] double round_step(double high, int count);

}  // namespace fovea
