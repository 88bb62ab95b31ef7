// Figures as SVG and as pixels: lines, letters, and that both show the same.
#include "data/drawing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "data/html.h"
#include "data/ink.h"
#include "data/line_chart.h"
#include "data/stroke_font.h"
#include "engine/core/error.h"
#include "engine/core/file.h"
#include "tests/support/message_of.h"
#include "tests/support/temporary_folder.h"

namespace fovea {
namespace {

using Rgb = std::array<int, 3>;

Image white(int height, int width) {
  Image image{height, width, 3, {}};
  image.pixels.assign(static_cast<std::size_t>(3 * height * width), 255);
  return image;
}

Rgb pixel(const Image& image, int y, int x) {
  const std::uint8_t* p = image.pixels.data() + 3 * (y * image.width + x);
  return {p[0], p[1], p[2]};
}

// How much ink black lines left, in pixels.
double ink_of(const Image& image) {
  double sum = 0;
  for (const std::uint8_t value : image.pixels) sum += 255 - value;
  return sum / (3 * 255);
}

TEST(Ink, LinesAlongAnAxisCoverExactlyTheirBand) {
  Image image = white(9, 9);
  draw_lines(image, {{{-5, 4.25F}, {20, 4.25F}}}, {.width = 2.5F});  // rows 3.0 to 5.5
  for (int x = 0; x < 9; ++x) {
    EXPECT_EQ(pixel(image, 2, x)[0], 255);
    EXPECT_EQ(pixel(image, 3, x)[0], 0);
    EXPECT_EQ(pixel(image, 4, x)[0], 0);
    EXPECT_NEAR(pixel(image, 5, x)[0], 128, 1);
    EXPECT_EQ(pixel(image, 6, x)[0], 255);
  }
}

TEST(Ink, SlantedLinesAndDotsLeaveTheInkOfTheirArea) {
  Image image = white(64, 64);
  draw_lines(image, {{{12, 10}, {52, 40}}}, {.width = 3});  // 50 long, round ends
  EXPECT_NEAR(ink_of(image), 50 * 3 + 1.5 * 1.5 * 3.1416, 2);
  Image dot = white(32, 32);
  draw_lines(dot, {{{16, 15.5F}}}, {.width = 16});
  EXPECT_NEAR(ink_of(dot), 64 * 3.1416, 1);
}

TEST(Ink, CrossingsAndJointsAreNotDarkerThanOneLine) {
  Image image = white(20, 20);
  const std::vector<Line> lines{{{2, 10}, {10, 10}, {18, 10}}, {{10, 2}, {10, 18}}};
  draw_lines(image, lines, {.width = 4, .opacity = 0.5F});
  EXPECT_EQ(pixel(image, 9, 9), (Rgb{128, 128, 128}));
  EXPECT_EQ(pixel(image, 9, 4), (Rgb{128, 128, 128}));
}

TEST(Ink, WhatLiesOutsideIsCutOff) {
  Image image = white(4, 4);
  draw_lines(image, {{{-100, -100}, {-50, 3}}, {{90, 1}, {95, 2}}}, {.width = 3});
  EXPECT_EQ(ink_of(image), 0);
  draw_lines(image, {{{-100, 2}, {100, 2}}}, {.width = 40});
  EXPECT_EQ(ink_of(image), 16);
}

TEST(Ink, DashesGoOnRoundCorners) {
  const auto pieces = dashed({{0, 0}, {5, 0}, {5, 9}}, {4, 2});  // down 0..4, 6..10, 12..14
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0].back().x, 4);
  EXPECT_EQ(pieces[1].front().y, 1);
  EXPECT_EQ(pieces[1].back().y, 5);
  EXPECT_EQ(pieces[2].front().y, 7);
  EXPECT_EQ(pieces[2].back().y, 9);
  const auto corner = dashed({{0, 0}, {3, 0}, {3, 3}}, {5, 1});
  ASSERT_EQ(corner.size(), 1U);
  EXPECT_EQ(corner[0].size(), 3U);
  EXPECT_EQ(dashed({{0, 0}, {3, 0}}, {}).size(), 1U);
}

TEST(StrokeFont, HasEveryPrintableCharacterWithAShapeOfItsOwn) {
  std::set<std::vector<std::uint8_t>> shapes;
  for (char c = '!'; c <= '~'; ++c) {
    const std::string text(1, c);
    Image image = white(40, 40);
    std::vector<Line> strokes = text_strokes(text);
    for (Line& line : strokes) {
      for (Point& p : line) {
        EXPECT_GE(p.x, 0) << c;
        EXPECT_LE(p.x, text_length(text)) << c;
        EXPECT_GE(p.y, -0.85F) << c;
        EXPECT_LE(p.y, 0.25F) << c;
        p = Point{5, 28} + 30.0F * p;
      }
    }
    draw_lines(image, strokes, {.width = 2});
    EXPECT_GT(ink_of(image), 2) << c;
    EXPECT_TRUE(shapes.insert(image.pixels).second) << c << " looks like another";
  }
  EXPECT_TRUE(text_strokes(" ").empty());
  EXPECT_GT(text_length(" "), 0.15F);
}

TEST(StrokeFont, LengthsAddUpAndDigitsAreEquallyWide) {
  for (char c = '0'; c <= '9'; ++c)
    EXPECT_EQ(text_length(std::string(1, c)), text_length("0")) << c;
  EXPECT_NEAR(text_length("Levi 50.7 %"), text_length("Levi ") + text_length("50.7 %"), 1e-5);
  EXPECT_GT(text_length("wide", kBoldPenWidth), text_length("wide"));
  EXPECT_EQ(text_length(""), 0);
  // An unknown character is one box, however many bytes it has.
  EXPECT_EQ(text_strokes("\xc3\xa9").size(), 1U);
  EXPECT_EQ(text_length("\xe2\x82\xac"), text_length("\xc3\xa9"));
}

LineChart sample_chart() {
  return {.description = "d",
          .x_label = "Training iterations",
          .y_label = "Accuracy",
          .y_end = 1,
          .y_is_share = true,
          .lines = {{.name = "", .label = "rising", .points = {{0, 0}, {100, 1}}},
                    {.name = "control", .label = "level", .points = {{0, 0.5}, {100, 0.5}}},
                    {.name = "", .label = "one <point>", .points = {{50, 0.25}}}},
          .references = {{0.8, "Levi, Hassner 2015: 80 %"}}};
}

TEST(Drawing, BothRenderersShowEveryMark) {
  constexpr int kScale = 2;
  const Drawing figure = chart_figure(sample_chart(), "A title");
  const std::string svg = to_svg_file(figure);
  const Image image = to_image(figure, kScale);
  EXPECT_EQ(image.width, kScale * figure.width);
  EXPECT_EQ(image.height, kScale * figure.height);
  std::size_t texts = 0;
  for (std::size_t i = 0; i < figure.marks.size(); ++i) {
    const Mark& mark = figure.marks[i];
    if (mark.kind == Mark::Kind::kText) {
      ++texts;
      EXPECT_NE(svg.find(">" + escape_html(mark.text) + "</text>"), std::string::npos) << mark.text;
    }
    if (mark.kind == Mark::Kind::kLine && mark.at.size() < 2) continue;  // beside its dot
    Drawing without = figure;
    without.marks.erase(without.marks.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_NE(to_svg_file(without), svg) << "mark " << i << " is not in the SVG";
    EXPECT_NE(to_image(without, kScale).pixels, image.pixels) << "mark " << i << " is not seen";
  }
  // Title, 6 + 6 numbers of the axes, 2 labels, reference, 3 names.
  EXPECT_EQ(texts, 19U);
  EXPECT_EQ(to_image(figure, kScale).pixels, image.pixels);
}

// Places of data/line_chart.cc: the area is 62 .. 614 by 14 .. 284, below a title of 34.
TEST(Drawing, CurvesAreWhereTheirValuesAre) {
  const Image image = to_image(chart_figure(sample_chart(), "A title"), 1);
  const auto at = [&](double share_x, double share_y) {
    return pixel(image, static_cast<int>(34 + 284 - 270 * share_y),
                 static_cast<int>(62 + 552 * share_x));
  };
  EXPECT_EQ(at(0.25, 0.25), (Rgb{0x00, 0x72, 0xb2}));
  EXPECT_EQ(at(0.625, 0.625), (Rgb{0x00, 0x72, 0xb2}));
  EXPECT_EQ(at(0.5, 0.25), (Rgb{0x00, 0x9e, 0x73}));  // a single point is a dot
  EXPECT_EQ(at(0.25, 0.75), (Rgb{255, 255, 255}));
  EXPECT_EQ(at(0.9, 0.6), (Rgb{0xe4, 0xe2, 0xdc}));  // the grid, sharp
  int dashes = 0, gaps = 0;
  for (int x = 330; x < 600; ++x) {
    const int red = pixel(image, 34 + 284 - 135, x)[0];
    dashes += red < 0x80 ? 1 : 0, gaps += red > 0xf0 ? 1 : 0;
  }
  EXPECT_GT(dashes, 90);
  EXPECT_GT(gaps, 40);
}

TEST(Drawing, TextIsAnchoredAndTurned) {
  const auto extent = [](Anchor anchor, bool upwards) {
    Drawing drawing{.width = 100, .height = 100};
    drawing.looks["ink"] = {};
    drawing.text({50, 50}, anchor, "label", "ink", upwards);
    const Image image = to_image(drawing, 1);
    std::array<int, 4> box{100, 0, 100, 0};  // left, right, top, bottom
    for (int y = 0; y < 100; ++y) {
      for (int x = 0; x < 100; ++x) {
        if (pixel(image, y, x)[0] > 200) continue;
        box = {std::min(box[0], x), std::max(box[1], x), std::min(box[2], y), std::max(box[3], y)};
      }
    }
    return box;
  };
  const int length = static_cast<int>(12 * text_length("label"));
  EXPECT_NEAR(extent(Anchor::kStart, false)[0], 50, 2);
  EXPECT_NEAR(extent(Anchor::kMiddle, false)[0], 50 - length / 2, 2);
  EXPECT_NEAR(extent(Anchor::kEnd, false)[1], 50, 2);
  EXPECT_NEAR(extent(Anchor::kStart, false)[3], 50, 1);  // stands on its baseline
  EXPECT_NEAR(extent(Anchor::kStart, true)[3], 50, 2);   // begins below
  EXPECT_NEAR(extent(Anchor::kEnd, true)[2], 50, 2);
  EXPECT_NEAR(extent(Anchor::kStart, true)[1], 50, 1);  // its baseline is at the right
}

TEST(Drawing, NotesStandWhereTheyHideTheLeast) {
  LineChart chart = sample_chart();  // the rising line crosses the level at its right end
  const auto anchor = [&] {
    for (const Mark& mark : chart_drawing(chart).marks) {
      if (mark.look == "chart-axis chart-note") return mark.anchor;
    }
    return Anchor::kMiddle;
  };
  EXPECT_EQ(anchor(), Anchor::kStart);
  chart.lines[0].points = {{0, 1}, {100, 0}};
  EXPECT_EQ(anchor(), Anchor::kEnd);
}

TEST(Drawing, FilesAppearAsAskedFor) {
  const TemporaryFolder folder;
  const Drawing figure = chart_figure(sample_chart(), "A title");
  EXPECT_EQ(write_figure(figure, (folder.path() / "a").string(), false).size(), 2U);
  EXPECT_EQ(read_image(folder.path() / "a.png").pixels, to_image(figure).pixels);
  EXPECT_EQ(read_file(folder.path() / "a.svg"), to_svg_file(figure));
  EXPECT_NE(message_of([&] {
              write_figure(figure, (folder.path() / "a").string(), false, {.svg = false});
            }).find("a.png"),
            std::string::npos);
  EXPECT_EQ(write_figure(figure, (folder.path() / "b").string(), false, {.png = false}).size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "b.png"));
}

}  // namespace
}  // namespace fovea
