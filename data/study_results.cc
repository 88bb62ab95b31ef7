#include "data/study_results.h"

#include "data/html.h"
#include "engine/core/error.h"
#include "engine/study/model_name.h"

namespace fovea {
namespace {

// "+-" is what a text file can hold.
std::string with_plus_minus(std::string text) {
  for (std::size_t at = text.find("+-"); at != std::string::npos; at = text.find("+-"))
    text.replace(at, 2, "±");
  return text;
}

std::string cell_html(const study::TableCell& cell) {
  std::string html = "<td>";
  if (cell.ours) html += str("<b>", with_plus_minus(study::ours_text(cell)), "</b>");
  if (cell.paper) html += str("<small>paper ", study::paper_text(cell), "</small>");
  const std::string difference = study::difference_text(cell);
  if (!difference.empty())
    html +=
        str("<small class=\"", difference[0] == '-' ? "down" : "up", "\">", difference, "</small>");
  return html + "</td>";
}

std::string table_html(const study::ResultTable& table) {
  const bool age = table.target == "age";
  std::string html = str("<div class=\"card sheet\"><h3>", age ? "Age" : "Gender",
                         ": accuracy in per cent, ten crops", age ? " (1-off accuracy)" : "",
                         "</h3><div class=\"scroll\"><table class=\"results\"><tr><th></th>");
  for (const std::string_view net : study::kNets)
    html += str("<th>", study::net_title(net), "</th>");
  html += "</tr>";
  for (const study::TableRow& row : table.rows) {
    html += str("<tr><td>", escape_html(row.label), "</td>");
    for (const study::TableCell& cell : row.cells) html += cell_html(cell);
    html += "</tr>";
  }
  return html + "</table></div></div>";
}

}  // namespace

std::string study_results_html(const std::vector<study::ResultTable>& tables,
                               const std::string& paper_source) {
  std::string html;
  for (const study::ResultTable& table : tables) html += table_html(table);
  return html +
         "<p class=\"axis-note\">Mean ± population standard deviation over the folds. Rows: images "
         "aligned in-plane by landmarks (i), rotated only (r), or both in training and rotated "
         "ones in the test (m); starting from scratch (.), from ImageNet weights (n), from those "
         "trained on IMDB-WIKI, too (w). Paper: " +
         escape_html(paper_source) + ".</p>";
}

}  // namespace fovea
