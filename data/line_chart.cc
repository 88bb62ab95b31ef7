#include "data/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/html.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

// The drawing area in user units; the SVG scales to the page's column.
constexpr double kWidth = 640, kHeight = 330;
constexpr double kLeft = 62, kRight = 620, kTop = 14, kBottom = 284;

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
  [[nodiscard]] std::string x(double value) const {
    return fixed(kLeft + (kRight - kLeft) * value / x_high, 1);
  }
  [[nodiscard]] std::string y(double value) const {
    return fixed(kBottom - (kBottom - kTop) * (value - y_low) / (y_high - y_low), 1);
  }

  double x_high = 1, y_low = 0, y_high = 1, x_step = 1, y_step = 1;
};

std::string svg_text(const std::string& x, const std::string& y, const std::string& anchor,
                     const std::string& kind, const std::string& text) {
  return str("<text x=\"", x, "\" y=\"", y, "\" text-anchor=\"", anchor, "\" class=\"", kind, "\">",
             escape_html(text), "</text>");
}

std::string grid_lines(const LineChart& chart, const Scale& scale) {
  std::string svg;
  const int y_digits = scale.y_step >= 1 ? 0 : scale.y_step >= 0.1 ? 1 : 2;
  const auto lines = std::lround((scale.y_high - scale.y_low) / scale.y_step);
  for (long i = 0; i <= lines; ++i) {
    const double value = scale.y_low + scale.y_step * static_cast<double>(i);
    const std::string y = scale.y(value);
    const bool base = std::abs(value) < scale.y_step / 2;
    svg += str("<line x1=\"", kLeft, "\" x2=\"", kRight, "\" y1=\"", y, "\" y2=\"", y,
               "\" class=\"", base ? "chart-base" : "chart-grid", "\"/>");
    svg += svg_text(fixed(kLeft - 8, 0), fixed(std::stod(y) + 4, 1), "end", "chart-axis",
                    chart.y_is_share ? percent(value, 0) : fixed(value, y_digits));
  }
  for (int i = 0; scale.x_step * i <= scale.x_high * (1 + 1e-9); ++i) {
    svg += svg_text(scale.x(scale.x_step * i), fixed(kBottom + 18, 0), "middle", "chart-axis",
                    fixed(scale.x_step * i, 0));
  }
  return svg;
}

std::string polyline(const ChartLine& line, const Scale& scale) {
  std::string points;
  for (const ChartPoint& p : line.points) {
    if (!std::isfinite(p.y)) continue;
    points +=
        str(points.empty() ? "" : " ", scale.x(p.x), ',', scale.y(std::min(p.y, scale.y_high)));
  }
  return str("<polyline points=\"", points, "\" class=\"chart-", escape_html(line.name), "\"/>");
}

// Colours that stay apart for the colour-blind, after M. Okabe and K. Ito.
constexpr std::array<const char*, 8> kSeries{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#7a3b00", "#5b2a86"};
constexpr const char* kFileStyle =
    "text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#6b6a65}"
    ".title{font-size:14px;font-weight:600;fill:#1d1d1b}.legend{fill:#1d1d1b}"
    ".chart-grid{stroke:#e4e2dc}.chart-base{stroke:#8d8c86}"
    ".chart-reference{stroke:#8d8c86;stroke-dasharray:3 4}"
    ".chart-note{paint-order:stroke;stroke:#fff;stroke-width:4px}"
    "polyline{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".chart-control,.key-control{stroke:#6b6a65;stroke-dasharray:5 4}";

// What several lines share is in the style; here the colour of each. Beyond eight, dots.
std::string series_style(std::size_t i) {
  return str(".chart-series-", i, ",.key-series-", i, "{stroke:", kSeries[i % kSeries.size()],
             i < kSeries.size() ? "" : ";stroke-dasharray:2 3", "}");
}

}  // namespace

std::string to_svg(const LineChart& chart) {
  const Scale scale(chart);
  std::string svg = str("<svg class=\"chart\" viewBox=\"0 0 ", kWidth, ' ', kHeight,
                        "\" role=\"img\" aria-label=\"", escape_html(chart.description), "\">");
  svg += grid_lines(chart, scale);
  for (const ChartLine& line : chart.lines) svg += polyline(line, scale);
  for (const ChartReference& reference : chart.references) {
    const std::string y = scale.y(reference.level);
    svg += str("<line x1=\"", kLeft, "\" x2=\"", kRight, "\" y1=\"", y, "\" y2=\"", y,
               "\" class=\"chart-reference\"/>");
    svg += svg_text(fixed(kRight, 0), fixed(std::stod(y) - 6, 1), "end", "chart-axis chart-note",
                    reference.label);
  }
  for (const ChartLine& line : chart.lines) {
    if (line.points.empty() || line.label.empty()) continue;
    const ChartPoint& last = line.points.back();
    svg += str("<circle cx=\"", scale.x(last.x), "\" cy=\"", scale.y(last.y),
               "\" r=\"3.5\" class=\"chart-end\"/>");
    svg += svg_text(fixed(std::stod(scale.x(last.x)) - 2, 1),
                    fixed(std::stod(scale.y(last.y)) - 10, 1), "end", "chart-value", line.label);
  }
  svg += svg_text(fixed((kLeft + kRight) / 2, 0), fixed(kHeight - 8, 0), "middle", "chart-label",
                  chart.x_label);
  svg += str("<text transform=\"translate(12 ", fixed((kTop + kBottom) / 2, 0),
             ") rotate(-90)\" text-anchor=\"middle\" class=\"chart-label\">",
             escape_html(chart.y_label), "</text></svg>");
  return svg;
}

std::string to_svg_file(LineChart chart, const std::string& title) {
  constexpr double kTitle = 34, kRow = 22, kColumn = 196;
  constexpr std::size_t kColumns = 3;
  std::string style = kFileStyle, legend;
  const std::size_t rows = (chart.lines.size() + kColumns - 1) / kColumns;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    ChartLine& line = chart.lines[i];
    if (line.name != "control") line.name = str("series-", i), style += series_style(i);
    const double x = kLeft - 40 + kColumn * static_cast<double>(i % kColumns);
    const double y = kTitle + kHeight + 8 + kRow * static_cast<double>(i / kColumns);
    legend += str("<line x1=\"", fixed(x, 0), "\" x2=\"", fixed(x + 24, 0), "\" y1=\"", fixed(y, 0),
                  "\" y2=\"", fixed(y, 0), "\" stroke-width=\"2\" class=\"key-", line.name, "\"/>");
    legend += svg_text(fixed(x + 32, 0), fixed(y + 4, 0), "start", "legend", line.label);
    line.label.clear();
  }
  const double height = kTitle + kHeight + kRow * static_cast<double>(rows) + 8;
  return str("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", kWidth, "\" height=\"", height,
             "\" viewBox=\"0 0 ", kWidth, ' ', height, "\"><style>", style,
             "</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
             svg_text(fixed(kLeft - 40, 0), "22", "start", "title", title), "<svg y=\"", kTitle,
             "\" width=\"", kWidth, "\" height=\"", kHeight, "\">", to_svg(chart), "</svg>", legend,
             "</svg>\n");
}

std::string_view chart_file_style() { return kFileStyle; }

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
