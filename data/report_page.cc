#include "data/report_page.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/html.h"
#include "data/report_style.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

constexpr std::size_t kMostChartPoints = 400;  // more than the chart has pixels to show apart

std::string facts_html(const std::vector<ReportFact>& facts) {
  std::string html = "<dl class=\"facts\">";
  for (const ReportFact& fact : facts) {
    html += str("<div><dt>", escape_html(fact.label), "</dt><dd>", escape_html(fact.value),
                "</dd></div>");
  }
  return html + "</dl>";
}

std::string tile(const std::string& name, const std::string& value, const std::string& note) {
  return str("<div class=\"card tile\"><span>", escape_html(name), "</span><b>", escape_html(value),
             "</b><span>", escape_html(note), "</span></div>");
}

std::string tiles_html(const std::vector<ReportTask>& tasks) {
  std::string html = "<div class=\"tiles\">";
  for (const ReportTask& task : tasks) {
    const ReportScores scores = scores_of(task.confusion);
    html += tile(task.title + " accuracy", percent(scores.accuracy),
                 str("blind guess ", percent(scores.majority)));
    if (task.ordered) {
      html += tile(task.title + " within one class", percent(scores.one_off),
                   str("mean error ", fixed(scores.mean_error, 2), " classes"));
    }
  }
  return html + "</div>";
}

std::string loss_chart(const ReportTask& task) {
  const std::vector<ChartPoint> raw = thinned(task.loss, kMostChartPoints);
  const auto smooth = smoothed(raw, raw.size() / 25);
  LineChart chart{.description = task.title + ": training loss over iterations",
                  .x_label = "Iteration",
                  .y_label = "Training loss",
                  .x_end = task.loss.empty() ? 0 : task.loss.back().x,
                  .lines = {{.name = "raw", .points = raw}, {.name = "line", .points = smooth}}};
  if (!smooth.empty()) chart.lines[1].label = fixed(smooth.back().y, 2);
  if (task.classes.size() > 1) {
    const double nothing = std::log(static_cast<double>(task.classes.size()));
    chart.references = {{nothing, str("knowing nothing: ", fixed(nothing, 2))}};
  }
  return str("<div class=\"card\"><h3>Training loss</h3>", to_svg(chart_drawing(chart)), "</div>");
}

std::string accuracy_chart(const ReportTask& task) {
  LineChart chart{.description = str(task.title, ": ", task.accuracy_title, " over iterations"),
                  .x_label = "Iteration",
                  .y_label = task.accuracy_title,
                  .x_end = task.accuracy.back().x,
                  .y_is_share = true,
                  .lines = {{.name = "line",
                             .label = percent(task.accuracy.back().y),
                             .points = thinned(task.accuracy, kMostChartPoints)}}};
  return str("<div class=\"card\"><h3>", escape_html(task.accuracy_title), "</h3>",
             to_svg(chart_drawing(chart)), "</div>");
}

std::string scores_html(const ReportTask& task, const ReportScores& scores) {
  const auto row = [](const std::string& name, const std::string& note, const std::string& value) {
    return str("<tr><td>", escape_html(name), "<small>", escape_html(note), "</small></td><td>",
               escape_html(value), "</td></tr>");
  };
  std::string html = "<div class=\"card\"><h3>Test faces</h3><table class=\"scores\">";
  html += row("Accuracy", "the predicted class is the true one", percent(scores.accuracy));
  if (task.accuracy_oversampled >= 0) {
    html += row("Accuracy, ten crops", "mean over corners, centre, mirrored",
                percent(task.accuracy_oversampled));
  }
  if (task.ordered) {
    html += row("1-off accuracy", "true class or a neighbour", percent(scores.one_off));
    html += row("Mean error", "distance in classes", fixed(scores.mean_error, 2));
  }
  html += row("Majority guess", "always the most frequent class", percent(scores.majority));
  html += row("Faces", "none of these subjects was trained on", std::to_string(scores.count));
  return html + "</table></div>";
}

std::string matrix_row(const ReportTask& task, const ReportScores& scores, std::size_t truth) {
  const auto& counts = task.confusion[truth];
  std::int64_t total = 0;
  for (const std::int64_t n : counts) total += n;
  std::string html = str("<tr><th class=\"side\">", escape_html(task.classes[truth]), "</th>");
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const double share =
        total > 0 ? static_cast<double>(counts[k]) / static_cast<double>(total) : 0;
    const std::string kind =
        str(k == truth ? "hit" : "", counts[k] == 0 ? " zero" : "", share > 0.55 ? " dark" : "");
    html += str("<td class=\"", kind, "\" style=\"background:rgb(var(--accent-rgb) / ",
                fixed(0.04 + 0.9 * share, 3), ")\" title=\"true ", escape_html(task.classes[truth]),
                ", predicted ", escape_html(task.classes[k]), ": ", counts[k], " of ", total, "\">",
                counts[k], "</td>");
  }
  return html + str("<td class=\"recall\">", percent(scores.recall[truth]), "</td></tr>");
}

std::string matrix_html(const ReportTask& task, const ReportScores& scores) {
  std::string html =
      str("<div class=\"card\"><h3>Confusion matrix</h3><div class=\"scroll\"><table "
          "class=\"matrix",
          task.classes.size() <= 3 ? " small" : "", "\"><tr><th></th>");
  for (const std::string& name : task.classes) html += str("<th>", escape_html(name), "</th>");
  html += "<th class=\"side\">recall</th></tr>";
  for (std::size_t i = 0; i < task.confusion.size(); ++i) html += matrix_row(task, scores, i);
  return html +
         "</table></div><p class=\"axis-note\">Rows: true class. Columns: predicted class. "
         "Numbers are faces; the shade is the share of the row.</p></div>";
}

std::string face_html(const ReportFace& face) {
  const bool right = face.truth == face.predicted;
  return str("<figure class=\"card face\"><div class=\"triple\"><img alt=\"face\" src=\"",
             data_uri(face.image), "\"><img class=\"map\" alt=\"heatmap\" src=\"",
             data_uri(face.heatmap), "\"><img class=\"map\" alt=\"overlay\" src=\"",
             data_uri(face.overlay), "\"></div><figcaption><span><i>true</i>",
             escape_html(face.truth), "</span><span class=\"", right ? "right" : "wrong",
             "\"><i>predicted</i>", escape_html(face.predicted), right ? " ✓" : " ✗",
             "</span><span class=\"score\">", percent(face.score), "</span>",
             face.name.empty() ? "" : str("<small>", escape_html(face.name), "</small>"),
             "</figcaption></figure>");
}

std::string legend_html(const std::string& name) {
  const Colormap& map = find_colormap(name);
  std::string stops;
  constexpr int kStops = 32;
  for (int i = 0; i <= kStops; ++i) {
    const auto rgb = map(2.0F * static_cast<float>(i) / kStops - 1);
    stops += str(i ? "," : "", "rgb(", int{rgb[0]}, ' ', int{rgb[1]}, ' ', int{rgb[2]}, ')');
  }
  return str("<div class=\"legend\"><div class=\"bar\" style=\"background:linear-gradient(90deg,",
             stops,
             ")\"></div><div class=\"ends\"><span>speaks against</span><span>neutral</span>"
             "<span>speaks for</span></div></div>");
}

std::string faces_html(const ReportTask& task, const std::string& colormap) {
  if (task.faces.empty()) return "";
  std::string html =
      str("<div class=\"heads\"><div><h3>What the net looked at</h3><p class=\"soft\">Test face, "
          "relevance of its pixels for the predicted class, and both together.</p></div>",
          legend_html(colormap), "</div><div class=\"faces\">");
  for (const ReportFace& face : task.faces) html += face_html(face);
  return html + "</div>";
}

std::string task_html(const ReportTask& task, const std::string& colormap) {
  const auto classes = task.classes.size();
  require(task.confusion.size() == classes, "confusion matrix of ", task.title, ": ",
          task.confusion.size(), " rows, expected one per class (", classes, ")");
  for (const auto& row : task.confusion) {
    require(row.size() == classes, "confusion matrix of ", task.title, ": ", row.size(),
            " columns, expected one per class (", classes, ")");
  }
  const ReportScores scores = scores_of(task.confusion);
  std::string html = str("<section><h2>", escape_html(task.title), "</h2><p class=\"soft\">",
                         escape_html(task.summary), "</p>");
  if (!task.facts.empty()) {
    html += str("<div class=\"row single\"><div class=\"card\">", facts_html(task.facts),
                "</div></div>");
  }
  html += str("<div class=\"row\">", loss_chart(task), scores_html(task, scores), "</div>");
  const bool both = !task.accuracy.empty();
  html += str("<div class=\"row", both && classes <= 3 ? "" : " single", "\">");
  if (both) html += accuracy_chart(task);
  html += matrix_html(task, scores) + "</div>";
  return html + faces_html(task, colormap) + "</section>";
}

}  // namespace

ReportScores scores_of(const std::vector<std::vector<std::int64_t>>& confusion) {
  ReportScores scores;
  std::int64_t right = 0, near = 0, distance = 0, largest = 0;
  for (std::size_t i = 0; i < confusion.size(); ++i) {
    std::int64_t total = 0;
    for (std::size_t k = 0; k < confusion[i].size(); ++k) {
      const auto away = std::abs(static_cast<std::int64_t>(i) - static_cast<std::int64_t>(k));
      const std::int64_t n = confusion[i][k];
      total += n, distance += n * away;
      if (away == 0) right += n;
      if (away <= 1) near += n;
    }
    scores.count += total;
    largest = std::max(largest, total);
    const bool hit = total > 0 && i < confusion[i].size();
    scores.recall.push_back(hit ? static_cast<double>(confusion[i][i]) / static_cast<double>(total)
                                : 0);
  }
  if (scores.count == 0) return scores;
  const auto count = static_cast<double>(scores.count);
  scores.accuracy = static_cast<double>(right) / count;
  scores.one_off = static_cast<double>(near) / count;
  scores.mean_error = static_cast<double>(distance) / count;
  scores.majority = static_cast<double>(largest) / count;
  return scores;
}

std::string report_html(const ReportPage& page) {
  std::string html = str(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>",
      escape_html(page.title), "</title><link rel=\"icon\" href=\"data:,\"><style>", kReportStyle,
      "</style></head>\n<body><main>\n<header><h1>", escape_html(page.title),
      "</h1><p class=\"lead\">", escape_html(page.lead), "</p></header>\n");
  html += page.top.empty() ? tiles_html(page.tasks) : page.top;
  if (!page.facts.empty()) html += str("<div class=\"card\">", facts_html(page.facts), "</div>");
  if (!page.command.empty()) html += str("<pre>", escape_html(page.command), "</pre>");
  for (const ReportTask& task : page.tasks) html += str('\n', task_html(task, page.colormap));
  return html + str("\n<footer>", escape_html(page.footer), "</footer>\n</main></body></html>\n");
}

void write_report_page(const ReportPage& page, const std::filesystem::path& path, bool overwrite) {
  write_file(path, report_html(page), overwrite);
}

}  // namespace fovea
