#include "data/report_page.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "data/html.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

Image dot(std::uint8_t level) { return {1, 1, 3, {level, level, level}}; }

ReportPage small_page() {
  ReportTask task{.title = "Age",
                  .summary = "Three classes",
                  .loss = {{1, 1.2}, {2, 0.7}, {3, 0.4}},
                  .classes = {"young", "old <60>", "older"},
                  .confusion = {{8, 2, 0}, {1, 3, 1}, {2, 0, 3}},
                  .ordered = true};
  task.faces.push_back({.name = "a&b.jpg",
                        .truth = "young",
                        .predicted = "older",
                        .score = 0.625,
                        .image = dot(1),
                        .heatmap = dot(2),
                        .overlay = dot(3)});
  return {
      .title = "Run \"1\"", .facts = {{"Seed", "7"}}, .command = "fovea train x", .tasks = {task}};
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Html, Base64HasThePublishedVectors) {  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(Html, EscapesAndFormats) {
  EXPECT_EQ(escape_html("<a href='x'>\"&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed(3.14159, 2), "3.14");
  EXPECT_EQ(percent(0.7129), "71.3 %");
}

TEST(LineChart, StepsAreRound) {
  EXPECT_DOUBLE_EQ(round_step(2.3, 5), 0.5);
  EXPECT_DOUBLE_EQ(round_step(1000, 6), 200);
  EXPECT_DOUBLE_EQ(round_step(0.07, 5), 0.02);
  EXPECT_DOUBLE_EQ(round_step(0, 5), 1);
}

TEST(LineChart, ThinningKeepsMeansAndSmoothingKeepsLines) {
  std::vector<ChartPoint> line;
  for (int i = 0; i < 1000; ++i) line.push_back({double(i), 2.0 * i});
  const auto few = thinned(line, 100);
  ASSERT_EQ(few.size(), 100U);
  EXPECT_DOUBLE_EQ(few[0].x, 4.5);
  EXPECT_DOUBLE_EQ(few[0].y, 9);
  for (const ChartPoint& p : smoothed(line, 30)) EXPECT_NEAR(p.y, 2 * p.x, 1e-9);
  for (std::size_t i = 0; i < line.size(); ++i) line[i].y = i % 2 ? 1 : 3;
  for (const ChartPoint& p : smoothed(line, 30)) EXPECT_NEAR(p.y, 2, 0.2);
}

TEST(Report, ScoresComeFromTheConfusionMatrix) {
  const ReportScores scores = scores_of({{8, 2, 0}, {1, 3, 1}, {2, 0, 3}});
  EXPECT_EQ(scores.count, 20);
  EXPECT_DOUBLE_EQ(scores.accuracy, 14.0 / 20);
  EXPECT_DOUBLE_EQ(scores.one_off, 18.0 / 20);
  EXPECT_DOUBLE_EQ(scores.mean_error, (4 * 1 + 2 * 2) / 20.0);
  EXPECT_DOUBLE_EQ(scores.majority, 0.5);
  EXPECT_EQ(scores.recall, (std::vector<double>{0.8, 0.6, 0.6}));
  EXPECT_EQ(scores_of({{0, 0}, {0, 0}}).count, 0);
}

TEST(Report, HoldsEverythingAndAsksForNothing) {
  const std::string html = report_html(small_page());
  EXPECT_EQ(count_of(html, "<img "), 3U);
  EXPECT_EQ(count_of(html, "src=\"data:image/png;base64,"), 3U);
  for (const char* outside : {"http://", "https://", "src=\"/", "@import", "url(", "<script"}) {
    EXPECT_EQ(count_of(html, outside), 0U) << outside;
  }
  for (const char* shown :
       {"Run &quot;1&quot;", "70.0 %", "90.0 %", "old &lt;60&gt;", "a&amp;b.jpg", "62.5 %",
        "fovea train x", "true old &lt;60&gt;, predicted young: 1 of 5"}) {
    EXPECT_GE(count_of(html, shown), 1U) << shown;
  }
  EXPECT_EQ(count_of(html, "<old"), 0U);
}

TEST(Report, TagsAreBalanced) {
  const std::string html = report_html(small_page());
  for (const char* tag :
       {"div", "section", "table", "tr", "td", "th", "figure", "svg", "dl", "p", "main"}) {
    const auto opened = count_of(html, str('<', tag, '>')) + count_of(html, str('<', tag, ' '));
    EXPECT_EQ(opened, count_of(html, str("</", tag, '>'))) << tag;
  }
}

TEST(Report, RunsWithoutLossFacesOrCounts) {
  const ReportPage page{
      .title = "Empty",
      .tasks = {{.title = "Gender", .classes = {"m", "f"}, .confusion = {{0, 0}, {0, 0}}}}};
  EXPECT_EQ(count_of(report_html(page), "nan"), 0U);
}

TEST(Report, RefusesAMatrixOfTheWrongShapeAndAnExistingFile) {
  ReportPage page = small_page();
  const TemporaryFolder folder;
  const auto path = folder / "report.html";
  write_report_page(page, path, false);
  EXPECT_THROW(write_report_page(page, path, false), Error);
  EXPECT_EQ(read_file(path), report_html(page));
  page.tasks[0].confusion[1].pop_back();
  EXPECT_THROW((void)report_html(page), Error);
}

}  // namespace
}  // namespace fovea
