// Figures and result table of a study.
#include <gtest/gtest.h>

#include "data/study_figure.h"
#include "data/study_results.h"

namespace fovea {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(LineChart, DrawsEveryReferenceAndEndsWhereItIsTold) {
  const LineChart chart{.x_label = "x",
                        .y_label = "y",
                        .y_start = 0.2,
                        .y_end = 0.7,
                        .y_is_share = true,
                        .lines = {{.name = "line", .points = {{0, 0.3}, {10, 0.5}}}},
                        .references = {{0.4, "one"}, {0.6, "two"}}};
  const std::string svg = to_svg(chart_drawing(chart));
  EXPECT_EQ(count_of(svg, "class=\"chart-reference\""), 2U);
  EXPECT_EQ(count_of(svg, ">70 %<"), 1U);
  EXPECT_EQ(count_of(svg, ">20 %<"), 1U);
  EXPECT_EQ(count_of(svg, ">80 %<") + count_of(svg, ">10 %<"), 0U);
}

TEST(StudyFigure, HasALinePerModelAndOneLegendForAllPanels) {
  const StudyCurve scratch{"[i,.]", "aligned", "fromscratch", {{1, 0.4}, {2, 0.5}}},
      tuned{"[m,n]", "mixed", "finetuning", {{1, 0.5}, {2, 0.6}}};
  const std::string svg =
      to_svg_file(study_figure({{"CaffeNet: <age>", {scratch, tuned}, {{0.507, "before"}}},
                                {"CaffeNet: gender", {scratch}, {}}}));
  EXPECT_EQ(count_of(svg, "class=\"chart-aligned-fromscratch\""), 3U);  // two lines, legend
  EXPECT_EQ(count_of(svg, "class=\"chart-mixed-finetuning\""), 2U);     // line, legend
  EXPECT_EQ(count_of(svg, ">[i,.]<"), 1U);
  EXPECT_EQ(count_of(svg, "CaffeNet: &lt;age&gt;"), 2U);  // title and description
  EXPECT_EQ(count_of(svg, "<svg"), count_of(svg, "</svg>"));
  EXPECT_TRUE(svg.starts_with("<svg xmlns="));
}

TEST(StudyResults, TableShowsOursThePapersAndTheDifference) {
  const study::ModelResult ours{
      .model = "gender_net_definitions", .target = "gender", .accuracy = {86.0, 0.55}};
  const study::PaperResults paper{"a <source>", {{"gender_net_definitions", 88.1, 0}}};
  const std::string html =
      study_results_html({study::result_table("gender", {ours}, paper)}, paper.source);
  EXPECT_EQ(count_of(html,
                     "<b>86.0 ± 0.6</b><small>paper 88.1</small>"
                     "<small class=\"down\">-2.1</small>"),
            1U)
      << html;
  EXPECT_EQ(count_of(html, "<tr>"), 2U);  // heads and [i,.]: the others have no number
  EXPECT_EQ(count_of(html, "a &lt;source&gt;"), 1U);
}

}  // namespace
}  // namespace fovea
