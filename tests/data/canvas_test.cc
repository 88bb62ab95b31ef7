#include "data/canvas.h"

#include <gtest/gtest.h>

#include <numbers>
#include <numeric>

namespace fovea {
namespace {

double area_of(const Coverage& coverage) {
  return std::accumulate(coverage.alpha.begin(), coverage.alpha.end(), 0.0);
}

TEST(Canvas, CoverageIsTheExactAreaOfPolygons) {
  const Canvas canvas(16, Affine{});
  // Between pixels, slanted, across many pixels in one row: areas by hand.
  EXPECT_NEAR(
      area_of(canvas.coverage({{1.25F, 2.5F}, {3.75F, 2.5F}, {3.75F, 4.0F}, {1.25F, 4.0F}})), 3.75,
      1e-5);
  EXPECT_NEAR(area_of(canvas.coverage({{1, 1}, {13, 1.4F}, {13, 9}})), 0.5 * 12 * 7.6, 1e-4);
  EXPECT_NEAR(area_of(canvas.coverage({{2, 3}, {14, 3.3F}, {14, 3.8F}, {2, 3.5F}})), 12 * 0.5,
              1e-5);
  EXPECT_NEAR(area_of(canvas.coverage(ellipse({8, 8}, 5, 3, 0.4F))), 15 * std::numbers::pi, 0.25);
}

TEST(Canvas, WindingDoesNotMatter) {
  const Canvas canvas(8, Affine{});
  const Path path{{1, 1}, {6, 2}, {4, 7}};
  const Path back(path.rbegin(), path.rend());
  EXPECT_NEAR(area_of(canvas.coverage(path)), area_of(canvas.coverage(back)), 1e-5);
}

TEST(Canvas, WhatLiesOutsideIsCutOff) {
  const Canvas canvas(10, Affine{});
  EXPECT_NEAR(area_of(canvas.coverage({{-50, -50}, {70, -50}, {70, 70}, {-50, 70}})), 100, 1e-4);
  // A line that crosses the left and the right edge within one row.
  EXPECT_NEAR(area_of(canvas.coverage({{-40, 4.0F}, {60, 4.5F}, {60, 20}, {-40, 20}})), 60 - 2.25,
              1e-3);
  EXPECT_TRUE(canvas.coverage({{20, 20}, {30, 20}, {30, 30}}).alpha.empty());
  EXPECT_TRUE(canvas.coverage({{-9, 2}, {-5, 2}, {-5, 8}}).alpha.empty());
}

TEST(Canvas, TheMapScalesAreas) {
  const Canvas canvas(32, Affine{.xx = 3, .xy = 0, .yx = 0, .yy = 2, .tx = 4, .ty = 5});
  EXPECT_NEAR(area_of(canvas.coverage({{0, 0}, {5, 0}, {5, 4}, {0, 4}})), 20 * 6, 1e-3);
}

TEST(Canvas, FillBlendsByCoverage) {
  Canvas canvas(4, Affine{});
  canvas.fill(Path{{0, 0}, {2.5F, 0}, {2.5F, 4}, {0, 4}}, {1.0F, 0.5F, 0.0F}, 0.5F);
  EXPECT_FLOAT_EQ(canvas.plane(0)[0], 0.5F);
  EXPECT_FLOAT_EQ(canvas.plane(1)[1], 0.25F);
  EXPECT_FLOAT_EQ(canvas.plane(0)[2], 0.25F);
  EXPECT_FLOAT_EQ(canvas.plane(0)[3], 0.0F);
}

TEST(Canvas, StrokeHasItsWidth) {
  const Canvas canvas(20, Affine{});
  const double expected = 10 * 2 + std::numbers::pi;  // a bar with (nearly) round ends
  EXPECT_NEAR(area_of(canvas.coverage(stroke({{5, 10}, {15, 10}}, 2))), expected, 0.25);
}

TEST(Canvas, AffineInverseUndoesTheMap) {
  const Affine map{.xx = 2, .xy = -0.5F, .yx = 0.25F, .yy = 3, .tx = 7, .ty = -4};
  const Point p = map.inverse()(map({0.3F, -1.7F}));
  EXPECT_NEAR(p.x, 0.3F, 1e-5);
  EXPECT_NEAR(p.y, -1.7F, 1e-5);
}

}  // namespace
}  // namespace fovea
