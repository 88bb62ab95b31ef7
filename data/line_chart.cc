#include "data/line_chart.h"

#include <algorithm>
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
    double high_x = chart.x_end, high_y = chart.y_is_share ? 1 : std::max(0.0, chart.reference);
    for (const ChartLine& line : chart.lines) {
      for (const ChartPoint& p : line.points) {
        high_x = std::max(high_x, p.x), high_y = std::max(high_y, p.y);
      }
    }
    x_step = round_step(high_x, 6), y_step = round_step(high_y, 5);
    x_high = high_x > 0 ? high_x : 1;
    y_high = y_step * std::ceil(high_y / y_step - 1e-9);
  }
  [[nodiscard]] std::string x(double value) const {
    return fixed(kLeft + (kRight - kLeft) * value / x_high, 1);
  }
  [[nodiscard]] std::string y(double value) const {
    return fixed(kBottom - (kBottom - kTop) * value / y_high, 1);
  }

  double x_high = 1, y_high = 1, x_step = 1, y_step = 1;
};

std::string svg_text(const std::string& x, const std::string& y, const std::string& anchor,
                     const std::string& kind, const std::string& text) {
  return str("<text x=\"", x, "\" y=\"", y, "\" text-anchor=\"", anchor, "\" class=\"", kind, "\">",
             escape_html(text), "</text>");
}

std::string grid_lines(const LineChart& chart, const Scale& scale) {
  std::string svg;
  const int y_digits = scale.y_step >= 1 ? 0 : scale.y_step >= 0.1 ? 1 : 2;
  for (int i = 0; scale.y_step * i <= scale.y_high * (1 + 1e-9); ++i) {
    const double value = scale.y_step * i;
    const std::string y = scale.y(value);
    svg += str("<line x1=\"", kLeft, "\" x2=\"", kRight, "\" y1=\"", y, "\" y2=\"", y,
               "\" class=\"", i == 0 ? "chart-base" : "chart-grid", "\"/>");
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

}  // namespace

std::string to_svg(const LineChart& chart) {
  const Scale scale(chart);
  std::string svg = str("<svg class=\"chart\" viewBox=\"0 0 ", kWidth, ' ', kHeight,
                        "\" role=\"img\" aria-label=\"", escape_html(chart.description), "\">");
  svg += grid_lines(chart, scale);
  if (chart.reference >= 0) {
    const std::string y = scale.y(chart.reference);
    svg += str("<line x1=\"", kLeft, "\" x2=\"", kRight, "\" y1=\"", y, "\" y2=\"", y,
               "\" class=\"chart-reference\"/>");
    svg += svg_text(fixed(kRight, 0), fixed(std::stod(y) - 6, 1), "end", "chart-axis",
                    chart.reference_label);
  }
  for (const ChartLine& line : chart.lines) svg += polyline(line, scale);
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
