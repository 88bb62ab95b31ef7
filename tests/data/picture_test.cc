#include "data/picture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/error.h"
#include "tests/support/message_of.h"

namespace fovea {
namespace {

using Rgb = std::array<int, 3>;

Rgb color_of(std::string_view map, float value) {
  const auto rgb = find_colormap(map)(value);
  return {rgb[0], rgb[1], rgb[2]};
}

Rgb pixel(const Image& image, int y, int x) {
  const std::uint8_t* p = image.pixels.data() + 3 * (y * image.width + x);
  return {p[0], p[1], p[2]};
}

// Values at -1, -0.5, 0, 0.5, 1 from the study's script and from Matplotlib.
TEST(Colormap, HasTheStudysColors) {
  EXPECT_EQ(color_of("gray-red", -1), (Rgb{0, 0, 255}));
  EXPECT_EQ(color_of("gray-red", -0.5F), (Rgb{102, 102, 230}));
  EXPECT_EQ(color_of("gray-red", 0), (Rgb{204, 204, 204}));
  EXPECT_EQ(color_of("gray-red", 1), (Rgb{255, 0, 0}));
  EXPECT_EQ(color_of("black-green", -0.5F), (Rgb{0, 0, 128}));
  EXPECT_EQ(color_of("black-green", 1), (Rgb{0, 255, 0}));
  EXPECT_EQ(color_of("blue-black-yellow", 0), (Rgb{0, 0, 0}));
  EXPECT_EQ(color_of("blue-black-yellow", 0.5F), (Rgb{128, 128, 0}));
  EXPECT_EQ(color_of("blue-black-yellow", -1), (Rgb{0, 0, 255}));
}

TEST(Colormap, FireredIsTheStudysFormula) {
  const auto part = [](float x, float from, float width) {
    return std::clamp(x - from, 0.0F, width) / width;
  };
  for (float x = -1; x <= 1; x += 0.03125F) {
    const float r = part(x, 0, 0.25F) + part(-x, 0.5F, 0.5F);
    const float g = part(x, 0.25F, 0.25F) + part(-x, 0.25F, 0.25F);
    const float b = part(x, 0.5F, 0.5F) + part(-x, 0, 0.25F);
    const Rgb rgb = color_of("black-firered", x);
    EXPECT_NEAR(rgb[0], 255 * r, 0.51) << "at " << x;
    EXPECT_NEAR(rgb[1], 255 * g, 0.51) << "at " << x;
    EXPECT_NEAR(rgb[2], 255 * b, 0.51) << "at " << x;
  }
}

TEST(Colormap, HasMatplotlibsColors) {
  EXPECT_EQ(color_of("seismic", -1), (Rgb{0, 0, 77}));
  EXPECT_EQ(color_of("seismic", 0), (Rgb{255, 255, 255}));
  EXPECT_EQ(color_of("seismic", 0.5F), (Rgb{255, 0, 0}));
  EXPECT_EQ(color_of("seismic", 1), (Rgb{128, 0, 0}));
  EXPECT_EQ(color_of("bwr", -0.5F), (Rgb{128, 128, 255}));
  EXPECT_EQ(color_of("bwr", 1), (Rgb{255, 0, 0}));
  EXPECT_EQ(color_of("jet", -1), (Rgb{0, 0, 128}));
  EXPECT_EQ(color_of("jet", 0), (Rgb{123, 255, 123}));
  EXPECT_EQ(color_of("jet", 1), (Rgb{128, 0, 0}));
  EXPECT_EQ(color_of("afmhot", -1), (Rgb{0, 0, 0}));
  EXPECT_EQ(color_of("afmhot", 0), (Rgb{255, 128, 0}));
  EXPECT_EQ(color_of("afmhot", 1), (Rgb{255, 255, 255}));
}

TEST(Colormap, EveryMapsKnotsRunFromZeroToOne) {
  for (const Colormap& map : colormaps()) {
    for (const auto& channel : map.channels) {
      EXPECT_EQ(channel.front().u, 0) << map.name;
      EXPECT_EQ(channel.back().u, 1) << map.name;
      for (std::size_t i = 1; i < channel.size(); ++i) {
        EXPECT_LT(channel[i - 1].u, channel[i].u) << map.name;
      }
    }
    EXPECT_EQ(map(7), map(1)) << map.name;
    EXPECT_EQ(map(std::numeric_limits<float>::quiet_NaN()), map(0)) << map.name;
  }
}

TEST(Colormap, AnUnknownNameListsTheKnownOnes) {
  EXPECT_EQ(
      message_of([] { (void)find_colormap("black-gren"); }),
      "unknown colormap: 'black-gren', expected gray-red | black-green | black-firered | "
      "blue-black-yellow | afmhot | jet | seismic | bwr | coldnhot | france | coolio | coleus | "
      "zennit-seismic | gray | wred | wblue | hot | cold, did you mean 'black-green'?");
}

TEST(Picture, HeatmapSumsChannelsAndKeepsZeroNeutral) {
  // Sums: 4, 0, -2, 1.
  const Tensor<float> relevance(Shape{2, 2, 2}, {3, 1, -1, 0.5F, 1, -1, -1, 0.5F});
  const Image image = heatmap(relevance.view(), find_colormap("bwr"));
  EXPECT_EQ(pixel(image, 0, 0), (Rgb{255, 0, 0}));
  EXPECT_EQ(pixel(image, 0, 1), (Rgb{255, 255, 255}));
  EXPECT_EQ(pixel(image, 1, 0), (Rgb{128, 128, 255}));
  EXPECT_EQ(pixel(image, 1, 1), (Rgb{255, 191, 191}));
}

// Zennit's maps are lists of colours; here the listed colours at the places that the lists imply.
TEST(Colormap, HasZennitsColors) {
  EXPECT_EQ(color_of("coldnhot", -1), (Rgb{0, 255, 255}));
  EXPECT_EQ(color_of("coldnhot", -0.5F), (Rgb{0, 0, 255}));
  EXPECT_EQ(color_of("coldnhot", 0), (Rgb{0, 0, 0}));
  EXPECT_EQ(color_of("coldnhot", 2.0F / 3), (Rgb{255, 255, 0}));
  EXPECT_EQ(color_of("france", -1), (Rgb{0x00, 0x55, 0xa4}));
  EXPECT_EQ(color_of("france", 1), (Rgb{0xef, 0x41, 0x35}));
  EXPECT_EQ(color_of("coolio", -1), (Rgb{0, 0xd0, 0xd0}));
  EXPECT_EQ(color_of("coolio", 1), (Rgb{0xd0, 0, 0xd0}));
  EXPECT_EQ(color_of("coleus", -1), (Rgb{0, 0xd0, 0}));
  EXPECT_EQ(color_of("coleus", 1), (Rgb{0xd0, 0, 0xd0}));
  EXPECT_EQ(color_of("zennit-seismic", -1), (Rgb{0, 0, 0xd0}));
  EXPECT_EQ(color_of("zennit-seismic", 1), (Rgb{0xd0, 0, 0}));
  for (const char* dull : {"coolio", "coleus", "zennit-seismic"})
    EXPECT_EQ(color_of(dull, 0), (Rgb{0xd0, 0xd0, 0xd0})) << dull;
}

TEST(Colormap, SequentialMapsStartAtZero) {
  EXPECT_EQ(color_of("gray", -1), (Rgb{0, 0, 0}));
  EXPECT_EQ(color_of("gray", 0.2F), (Rgb{51, 51, 51}));
  EXPECT_EQ(color_of("wred", 0), (Rgb{255, 255, 255}));
  EXPECT_EQ(color_of("wred", 1), (Rgb{255, 0, 0}));
  EXPECT_EQ(color_of("wblue", 0.6F), (Rgb{102, 102, 255}));
  EXPECT_EQ(color_of("hot", 1.0F / 3), (Rgb{255, 0, 0}));
  EXPECT_EQ(color_of("hot", 2.0F / 3), (Rgb{255, 255, 0}));
  EXPECT_EQ(color_of("hot", 1), (Rgb{255, 255, 255}));
  EXPECT_EQ(color_of("cold", 0.5F), (Rgb{0, 0, 255}));
  EXPECT_EQ(color_of("cold", 1), (Rgb{0, 255, 255}));
}

TEST(Picture, RangesDiffer) {
  const Tensor<float> relevance(Shape{1, 1, 3}, {-4, 2, 1});
  const auto values = [&](const MapScale& scale) {
    return normalized_map(relevance.view(), scale).values;
  };
  EXPECT_EQ(values({}), (std::vector<float>{-1, 0.5F, 0.25F}));
  EXPECT_EQ(values({.range = MapRange::kPositive}), (std::vector<float>{-1, 1, 0.5F}));
  EXPECT_EQ(values({.range = MapRange::kAbsolute}), (std::vector<float>{1, 0.5F, 0.25F}));
  EXPECT_EQ(values({.limit = 8}), (std::vector<float>{-0.5F, 0.25F, 0.125F}));
  EXPECT_EQ(values({.range = MapRange::kAbsolute, .limit = 2}), (std::vector<float>{1, 1, 0.5F}));
}

TEST(Picture, ChannelsFoldToTheirSumOrNorm) {
  const Tensor<float> relevance(Shape{2, 1, 2}, {3, 1, -4, 0});
  EXPECT_EQ(pixel_map(relevance.view()).values, (std::vector<float>{-1, 1}));
  EXPECT_EQ(pixel_map(relevance.view(), ChannelFold::kNorm).values, (std::vector<float>{5, 1}));
}

// The bar shows the map's own colours: the top is the limit, the bottom its opposite (or zero).
TEST(Picture, ColorBarRunsFromTheLimitDown) {
  const Colormap& map = find_colormap("seismic");
  const Image bar = color_bar(map, MapRange::kSymmetric, 0.5F, 114);
  EXPECT_EQ(bar.height, 114);
  EXPECT_EQ(pixel(bar, 0, 0), (Rgb{255, 255, 255}));  // half a number's height stays free
  EXPECT_EQ(pixel(bar, 7, 0), color_of("seismic", 1));
  EXPECT_EQ(pixel(bar, 106, 0), color_of("seismic", -1));
  EXPECT_EQ(pixel(color_bar(map, MapRange::kAbsolute, 1, 114), 106, 0), color_of("seismic", 0));
  EXPECT_EQ(pixel(color_bar(find_colormap("hot"), MapRange::kSymmetric, 1, 114), 106, 0),
            color_of("hot", 0));
  // "-0.5" is the widest label, behind the bar and a gap; the upper end's number is 0.5.
  EXPECT_GT(bar.width, 12 + 4 + 24);
  EXPECT_LT(bar.width, 12 + 4 + 48);
  const auto darkest = [&](int top, int bottom) {
    int value = 255;
    for (int y = top; y < bottom; ++y) {
      for (int x = 16; x < bar.width; ++x) value = std::min(value, pixel(bar, y, x)[0]);
    }
    return value;
  };
  for (const int middle : {7, 57, 107}) EXPECT_LT(darkest(middle - 7, middle + 7), 80) << middle;
  EXPECT_EQ(darkest(14, 50), 255);
  EXPECT_EQ(darkest(64, 100), 255);
}

TEST(Picture, PanelHoldsEnlargedPicturesAndTheBar) {
  const Image image{2, 1, 3, {200, 100, 0, 200, 100, 0}};
  const Tensor<float> relevance(Shape{1, 2, 1}, {0, 5});
  const Image sheet = panel(image, relevance.view(), find_colormap("seismic"));
  EXPECT_EQ(sheet.height, 192);  // 96 times as large
  EXPECT_EQ(pixel(sheet, 191, 0), (Rgb{200, 100, 0}));
  EXPECT_EQ(pixel(sheet, 0, 96), (Rgb{255, 255, 255}));
  EXPECT_EQ(pixel(sheet, 0, 104), color_of("seismic", 0));
  EXPECT_EQ(pixel(sheet, 191, 104), color_of("seismic", 1));
  EXPECT_EQ(pixel(sheet, 0, 208), (Rgb{119, 119, 119}));
  EXPECT_EQ(pixel(sheet, 7, 312), color_of("seismic", 1));  // the bar's top
}

TEST(Picture, NumbersAreShort) {
  EXPECT_EQ(short_number(0.1234567F), "0.123");
  EXPECT_EQ(short_number(-1.25e-5F), "-1.25e-05");
  EXPECT_EQ(short_number(-0.0F), "0");
}

TEST(Picture, ZeroAndBrokenRelevanceIsNeutral) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor<float> zeros(Shape{3, 1, 2}), broken(Shape{1, 1, 2}, {inf, -1});
  EXPECT_EQ(pixel(heatmap(zeros.view(), find_colormap("bwr")), 0, 1), (Rgb{255, 255, 255}));
  EXPECT_EQ(normalized_map(broken.view(), {}).values, (std::vector<float>{0, -1}));
}

TEST(Picture, OverlayShowsTheGrayImageWhereNothingIsRelevant) {
  const Image image{1, 2, 3, {200, 100, 0, 200, 100, 0}};
  const Tensor<float> relevance(Shape{1, 1, 2}, {0, 5});
  const Image over = overlay(image, relevance.view(), find_colormap("seismic"));
  EXPECT_EQ(pixel(over, 0, 0), (Rgb{119, 119, 119}));  // 0.299 * 200 + 0.587 * 100 = 118.5
  EXPECT_EQ(pixel(over, 0, 1), (Rgb{128, 0, 0}));
  const Tensor<float> other(Shape{1, 2, 2}, 1.0F);
  EXPECT_EQ(message_of([&] { (void)overlay(image, other.view(), find_colormap("jet")); }),
            "relevance of 2x2 pixels for an image of 1x2, expected equal sizes");
}

TEST(Picture, EnlargedRepeatsPixels) {
  const Image image{1, 2, 3, {1, 2, 3, 4, 5, 6}};
  const Image large = enlarged(image, 3);
  EXPECT_EQ(large.height, 3);
  EXPECT_EQ(large.width, 6);
  EXPECT_EQ(pixel(large, 2, 2), (Rgb{1, 2, 3}));
  EXPECT_EQ(pixel(large, 1, 3), (Rgb{4, 5, 6}));
}

TEST(Picture, GridPlacesPicturesRowByRow) {
  const std::vector<Image> images{
      {1, 1, 3, {10, 0, 0}}, {2, 1, 3, {20, 0, 0, 21, 0, 0}}, {1, 1, 3, {30, 0, 0}}};
  const Image sheet = grid(images, 2, 1, {9, 9, 9});
  EXPECT_EQ(sheet.height, 5);
  EXPECT_EQ(sheet.width, 3);
  EXPECT_EQ(pixel(sheet, 0, 0), (Rgb{10, 0, 0}));
  EXPECT_EQ(pixel(sheet, 1, 0), (Rgb{9, 9, 9}));
  EXPECT_EQ(pixel(sheet, 1, 2), (Rgb{21, 0, 0}));
  EXPECT_EQ(pixel(sheet, 3, 0), (Rgb{30, 0, 0}));
}

}  // namespace
}  // namespace fovea
