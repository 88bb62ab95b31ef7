#include "data/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/html.h"
#include "data/stroke_font.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

// The drawing area.
constexpr float kWidth = 640, kHeight = 330;
constexpr float kLeft = 62, kRight = 614, kTop = 14, kBottom = 284;
// Around it in a figure: the title above, samples of the lines below.
constexpr float kTitle = 34, kIndent = 22, kKeyLine = 26, kKeyGap = 7;

class Scale {
 public:
  explicit Scale(const LineChart& chart) {
    double high_x = chart.x_end, high_y = chart.y_end > 0 || !chart.y_is_share ? chart.y_end : 1;
    for (const ChartReference& r : chart.references) high_y = std::max(high_y, r.level);
    for (const ChartLine& line : chart.lines) {
      for (const ChartPoint& p : line.points) {
        high_x = std::max(high_x, p.x), high_y = std::max(high_y, p.y);
      }
    }
    x_step = round_step(high_x, 6), y_step = round_step(high_y - chart.y_start, 5);
    x_high = high_x > 0 ? high_x : 1;
    y_high = y_step * std::ceil(high_y / y_step - 1e-9);
    y_low = y_step * std::floor(chart.y_start / y_step + 1e-9);
  }
  [[nodiscard]] float x(double value) const {
    return kLeft + (kRight - kLeft) * static_cast<float>(value / x_high);
  }
  [[nodiscard]] float y(double value) const {
    return kBottom - (kBottom - kTop) * static_cast<float>((value - y_low) / (y_high - y_low));
  }

  double x_high = 1, y_low = 0, y_high = 1, x_step = 1, y_step = 1;
};

void add_grid(Drawing& drawing, const LineChart& chart, const Scale& scale) {
  const int y_digits = scale.y_step >= 1 ? 0 : scale.y_step >= 0.1 ? 1 : 2;
  const auto lines = std::lround((scale.y_high - scale.y_low) / scale.y_step);
  for (long i = 0; i <= lines; ++i) {
    const double value = scale.y_low + scale.y_step * static_cast<double>(i);
    const float y = scale.y(value);
    const bool base = std::abs(value) < scale.y_step / 2;
    drawing.line({{kLeft, y}, {kRight, y}}, base ? "chart-base" : "chart-grid");
    drawing.text({kLeft - 8, y + 4}, Anchor::kEnd,
                 chart.y_is_share ? percent(value, 0) : fixed(value, y_digits), "chart-axis");
  }
  for (int i = 0; scale.x_step * i <= scale.x_high * (1 + 1e-9); ++i) {
    drawing.text({scale.x(scale.x_step * i), kBottom + 18}, Anchor::kMiddle,
                 fixed(scale.x_step * i, 0), "chart-axis");
  }
}

void add_line(Drawing& drawing, const ChartLine& line, const Scale& scale) {
  std::vector<Point> points;
  for (const ChartPoint& p : line.points) {
    if (std::isfinite(p.y)) points.push_back({scale.x(p.x), scale.y(std::min(p.y, scale.y_high))});
  }
  const std::string look = "chart-" + line.name;
  if (points.size() == 1) drawing.disc(points[0], 3.5F, look);  // a line would not be seen
  drawing.line(std::move(points), look);
}

// How much of the curves drawn so far a box around a note would hide: points 4 units apart.
int hidden_by(const Drawing& drawing, Point low, Point high) {
  int count = 0;
  for (const Mark& mark : drawing.marks) {
    if (mark.kind != Mark::Kind::kLine || mark.look == "chart-grid" || mark.look == "chart-base")
      continue;
    for (std::size_t i = 0; i + 1 < mark.at.size(); ++i) {
      const Point along = mark.at[i + 1] - mark.at[i];
      const int steps = 1 + static_cast<int>(std::hypot(along.x, along.y) / 4);
      for (int k = 0; k < steps; ++k) {
        const Point p = mark.at[i] + (static_cast<float>(k) / static_cast<float>(steps)) * along;
        count += p.x > low.x && p.x < high.x && p.y > low.y && p.y < high.y ? 1 : 0;
      }
    }
  }
  return count;
}

// The levels and what they are, above or below them and at the end where it hides the least.
void add_references(Drawing& drawing, const LineChart& chart, const Scale& scale) {
  for (const ChartReference& reference : chart.references) {
    const float y = scale.y(reference.level);
    drawing.line({{kLeft, y}, {kRight, y}}, "chart-reference");
  }
  for (const ChartReference& reference : chart.references) {
    const float y = scale.y(reference.level), length = 12 * text_length(reference.label);
    int least = std::numeric_limits<int>::max();
    Mark note{.kind = Mark::Kind::kText, .look = "chart-axis chart-note", .text = reference.label};
    for (const float baseline : {y - 6, y + 15}) {
      for (const bool right : {true, false}) {
        const Point low{right ? kRight - length : kLeft, baseline - 11};
        const int hidden = hidden_by(drawing, low, low + Point{length, 14});
        if (hidden >= least) continue;
        least = hidden;
        note.at = {{right ? kRight : kLeft + 4, baseline}};
        note.anchor = right ? Anchor::kEnd : Anchor::kStart;
      }
    }
    drawing.marks.push_back(note);
  }
}

// Colours that stay apart for the colour-blind, after M. Okabe and K. Ito.
constexpr std::array<std::uint32_t, 8> kSeries{0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                               0xe69f00, 0x56b4e9, 0x7a3b00, 0x5b2a86};

// Beyond eight lines dots.
Look series_look(std::size_t i) {
  Look look{.color = kSeries[i % kSeries.size()], .width = 2};
  if (i >= kSeries.size()) look.dashes = {1, 4};
  return look;
}

// As many columns as the longest label allows.
std::size_t legend_columns(const std::vector<ChartLine>& lines, float& column) {
  constexpr float kSpace = 24;
  float longest = 0;
  for (const ChartLine& line : lines)
    longest =
        std::max(longest, chart_figure_looks().at("legend").text_size * text_length(line.label));
  column = kKeyLine + kKeyGap + longest + kSpace;
  return std::max<std::size_t>(static_cast<std::size_t>((kWidth - kIndent) / column), 1);
}

}  // namespace

Drawing chart_drawing(const LineChart& chart) {
  const Scale scale(chart);
  Drawing drawing{.width = kWidth, .height = kHeight, .description = chart.description};
  add_grid(drawing, chart, scale);
  for (const ChartLine& line : chart.lines) add_line(drawing, line, scale);
  add_references(drawing, chart, scale);
  for (const ChartLine& line : chart.lines) {
    if (line.points.empty() || line.label.empty()) continue;
    const Point last{scale.x(line.points.back().x), scale.y(line.points.back().y)};
    drawing.disc(last, 3.5F, "chart-end");
    drawing.text(last - Point{2, 10}, Anchor::kEnd, line.label, "chart-value");
  }
  drawing.text({(kLeft + kRight) / 2, kHeight - 8}, Anchor::kMiddle, chart.x_label, "chart-label");
  drawing.text({12, (kTop + kBottom) / 2}, Anchor::kMiddle, chart.y_label, "chart-label", true);
  return drawing;
}

const std::map<std::string, Look>& chart_figure_looks() {
  constexpr std::uint32_t kInk = 0x1d1d1b, kSoft = 0x6b6a65;
  static const std::map<std::string, Look> looks{
      {"title", {.color = kInk, .text_size = 14, .bold = true}},
      {"legend", {.color = kInk}},
      {"chart-axis", {.color = kSoft}},
      {"chart-label", {.color = kSoft}},
      {"chart-axis chart-note", {.color = kSoft, .halo = true}},
      {"chart-grid", {.color = 0xe4e2dc}},
      {"chart-base", {.color = 0x8d8c86}},
      {"chart-reference", {.color = 0x8d8c86, .dashes = {2, 4}}},
      {"chart-control", {.color = kSoft, .width = 2, .dashes = {4, 5}}}};
  return looks;
}

void add_key(Drawing& figure, Point at, const std::string& look, const std::string& label) {
  figure.line({at, at + Point{kKeyLine, 0}}, look);
  figure.text(at + Point{kKeyLine + kKeyGap, 4}, Anchor::kStart, label, "legend");
}

Drawing chart_figure(LineChart chart, const std::string& title) {
  constexpr float kRow = 22;
  Drawing figure{.width = kWidth, .description = title, .looks = chart_figure_looks()};
  Drawing keys;
  float column = 0;
  const std::size_t columns = legend_columns(chart.lines, column);
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    ChartLine& line = chart.lines[i];
    if (line.name != "control") line.name = str("series-", i);
    const std::string look = "chart-" + line.name;
    figure.looks.emplace(look, series_look(i));
    add_key(keys,
            {column * static_cast<float>(i % columns), kRow * static_cast<float>(i / columns)},
            look, line.label);
    line.label.clear();
  }
  const std::size_t rows = (chart.lines.size() + columns - 1) / columns;
  figure.height = kTitle + kHeight + kRow * static_cast<float>(rows) + 8;
  figure.text({kIndent, 22}, Anchor::kStart, title, "title");
  figure.place(chart_drawing(chart), {0, kTitle});
  figure.place(keys, {kIndent, kTitle + kHeight + 8});
  return figure;
}

std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t count) {
  if (points.size() <= count) return points;
  std::vector<ChartPoint> means;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t from = i * points.size() / count, to = (i + 1) * points.size() / count;
    ChartPoint mean;
    for (std::size_t k = from; k < to; ++k) mean.x += points[k].x, mean.y += points[k].y;
    const auto size = static_cast<double>(to - from);
    means.push_back({mean.x / size, mean.y / size});
  }
  return means;
}

std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, std::size_t reach) {
  std::vector<ChartPoint> out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t first = i - std::min(i, reach);
    const std::size_t last = std::min(i + reach, points.size() - 1);
    double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (std::size_t k = first; k <= last; ++k) {
      if (!std::isfinite(points[k].y)) continue;
      const double x = points[k].x - points[i].x, y = points[k].y;
      n += 1, sum_x += x, sum_y += y, sum_xx += x * x, sum_xy += x * y;
    }
    const double spread = n * sum_xx - sum_x * sum_x;
    const double slope = spread > 0 ? (n * sum_xy - sum_x * sum_y) / spread : 0;
    out.push_back({points[i].x, n > 0 ? (sum_y - slope * sum_x) / n : points[i].y});
  }
  return out;
}

double round_step(double high, int count) {
  if (!(high > 0)) return 1;
  const double raw = high / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace fovea
