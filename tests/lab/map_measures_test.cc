#include "engine/relevance/lab/map_measures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/random.h"
#include "engine/relevance/lab/similarity.h"

namespace fovea::lab {
namespace {

std::vector<float> random_map(std::size_t size, std::uint64_t seed) {
  std::vector<float> map(size);
  for (std::size_t i = 0; i < size; ++i) map[i] = random_normal({.seed = seed}, i);
  return map;
}

std::vector<std::uint8_t> random_mask(std::size_t size, std::uint64_t seed) {
  std::vector<std::uint8_t> mask(size);
  for (std::size_t i = 0; i < size; ++i) mask[i] = random_word({.seed = seed}, i) % 3 == 0 ? 85 : 0;
  return mask;
}

TEST(MapMeasures, ComplexityRunsFromOnePixelToAllEqual) {
  EXPECT_EQ(complexity(std::vector<float>{0, 0, -3, 0}), 0);
  EXPECT_NEAR(complexity(std::vector<float>{2, -2, 2, 2}), std::log(4.0), 1e-15);
  EXPECT_EQ(complexity(std::vector<float>(5)), 0);
  // ln(total) - sum v ln v / total is the same, another way round.
  const std::vector<float> map = random_map(97, 1);
  double total = 0, logs = 0;
  for (const float r : map) total += std::abs(double{r});
  for (const float r : map) logs += std::abs(double{r}) * std::log(std::abs(double{r}));
  EXPECT_NEAR(complexity(map), std::log(total) - logs / total, 1e-12);
}

// The index is half the relative mean absolute difference of all pairs.
TEST(MapMeasures, SparsenessIsTheMeanDifferenceOfPairs) {
  EXPECT_EQ(sparseness(std::vector<float>{-1, 1, 1}), 0);
  EXPECT_NEAR(sparseness(std::vector<float>{0, 0, 0, -7}), 0.75, 1e-15);
  EXPECT_EQ(sparseness(std::vector<float>(5)), 0);
  const std::vector<float> map = random_map(83, 2);
  double differences = 0, total = 0;
  for (const float a : map) {
    total += std::abs(double{a});
    for (const float b : map) differences += std::abs(std::abs(double{a}) - std::abs(double{b}));
  }
  EXPECT_NEAR(sparseness(map), differences / (2 * 83 * total), 1e-12);
}

TEST(MapMeasures, MassCountsPositiveRelevanceOnly) {
  const std::vector<float> map{3, 1, -8, 4};
  EXPECT_DOUBLE_EQ(mass_inside(map, std::vector<std::uint8_t>{1, 0, 1, 0}), 3.0 / 8);
  EXPECT_DOUBLE_EQ(mass_inside(map, std::vector<std::uint8_t>{0, 85, 0, 255}), 5.0 / 8);
  EXPECT_EQ(mass_inside(std::vector<float>{-1, 0, -1, 0}, std::vector<std::uint8_t>(4, 1)), 0);
}

TEST(MapMeasures, RandomMapsHaveTheMasksShare) {
  const std::vector<std::uint8_t> mask = random_mask(40000, 3);
  const std::vector<float> map = random_map(mask.size(), 4);
  // Five standard deviations of a share of 13000 and more draws.
  EXPECT_NEAR(mass_inside(map, mask), mask_share(mask), 0.02);
  EXPECT_NEAR(rank_inside(map, mask), mask_share(mask), 0.02);
}

TEST(MapMeasures, RankIsTheShareOfASortedList) {
  EXPECT_DOUBLE_EQ(
      rank_inside(std::vector<float>{9, 8, 7, 6, 5}, std::vector<std::uint8_t>{1, 0, 1, 1, 0}),
      2.0 / 3);
  // Equal values count in pixel order: of three equal pixels the first two are the top two.
  EXPECT_DOUBLE_EQ(rank_inside(std::vector<float>{1, 1, 1}, std::vector<std::uint8_t>{0, 1, 1}),
                   0.5);
  EXPECT_EQ(rank_inside(std::vector<float>(3), std::vector<std::uint8_t>(3, 1)), 0);
  EXPECT_EQ(rank_inside(std::vector<float>(3, 1.F), std::vector<std::uint8_t>(3)), 0);
  const std::vector<std::uint8_t> mask = random_mask(301, 5);
  const std::vector<float> map = random_map(mask.size(), 6);
  std::vector<std::pair<float, std::uint8_t>> pixels;
  for (std::size_t i = 0; i < map.size(); ++i) pixels.emplace_back(map[i], mask[i]);
  std::ranges::sort(pixels, std::greater<>(), [](auto& p) { return p.first; });
  const auto size = std::ranges::count_if(mask, [](auto m) { return m != 0; });
  const auto hits =
      std::count_if(pixels.begin(), pixels.begin() + size, [](auto& p) { return p.second != 0; });
  EXPECT_DOUBLE_EQ(rank_inside(map, mask), static_cast<double>(hits) / static_cast<double>(size));
}

TEST(MapMeasures, PointingLooksAtTheHighestPixelAndAround) {
  // 3 x 4; the highest value at row 1, column 2; the mask two columns to its left and one up.
  std::vector<float> map(12);
  map[6] = 2, map[0] = 1, map[11] = -9;
  std::vector<std::uint8_t> mask(12);
  mask[0] = 170;
  EXPECT_FALSE(points_inside(map, mask, 4));
  EXPECT_FALSE(points_inside(map, mask, 4, 2));  // sqrt(5) away
  EXPECT_TRUE(points_inside(map, mask, 4, 3));
  mask[6] = 1;
  EXPECT_TRUE(points_inside(map, mask, 4));
  EXPECT_FALSE(points_inside(std::vector<float>(12), std::vector<std::uint8_t>(12, 1), 4));
}

TEST(Similarity, CorrelationsOfSmallMaps) {
  const std::vector<float> a{1, 2, 3, 4}, b{1, 8, 27, 64}, c{4, 3, 2, 1}, flat(4, 2.F);
  EXPECT_NEAR(correlation(a, a), 1, 1e-15);
  EXPECT_NEAR(rank_correlation(a, b), 1, 1e-15);  // another scale, the same order
  EXPECT_LT(correlation(a, b), 0.96);
  EXPECT_NEAR(rank_correlation(a, c), -1, 1e-15);
  EXPECT_EQ(rank_correlation(a, flat), 0);
}

// Ranks by counting, in quadratic time; ties share their mean rank.
TEST(Similarity, RankCorrelationByCounting) {
  std::vector<float> a = random_map(60, 7), b = random_map(60, 8);
  for (std::size_t i = 0; i < 60; ++i) a[i] = std::round(2 * a[i]), b[i] += a[i];
  const auto counted = [](const std::vector<float>& v) {
    std::vector<float> ranks;
    for (const float x : v) {
      float rank = 0;
      for (const float y : v) rank += y < x ? 1.F : y == x ? 0.5F : 0.F;
      ranks.push_back(rank);
    }
    return ranks;
  };
  EXPECT_NEAR(rank_correlation(a, b), correlation(counted(a), counted(b)), 1e-12);
}

// Every pixel's window gathered at once, with the weights of both axes multiplied.
TEST(Similarity, StructuralSimilarityPixelByPixel) {
  constexpr int kHeight = 9, kWidth = 14;
  const std::vector<float> a = random_map(kHeight * kWidth, 9);
  std::vector<float> b = random_map(a.size(), 10);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = 3 * (a[i] + 0.5F * b[i]);
  const auto largest = [](const std::vector<float>& v) {
    double m = 0;
    for (const float x : v) m = std::max(m, std::abs(double{x}));
    return m;
  };
  const double la = largest(a), lb = largest(b);
  double total = 0;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      double w = 0, ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
      for (int v = 0; v < kHeight; ++v) {
        for (int u = 0; u < kWidth; ++u) {
          if (std::abs(v - y) > 5 || std::abs(u - x) > 5) continue;
          const double weight = std::exp(-((v - y) * (v - y) + (u - x) * (u - x)) / 4.5);
          const auto at = static_cast<std::size_t>(v * kWidth + u);
          const double p = double{a[at]} / la, q = double{b[at]} / lb;
          w += weight, ma += weight * p, mb += weight * q;
          aa += weight * p * p, bb += weight * q * q, ab += weight * p * q;
        }
      }
      ma /= w, mb /= w, aa = aa / w - ma * ma, bb = bb / w - mb * mb, ab = ab / w - ma * mb;
      total += (2 * ma * mb + 0.0004) * (2 * ab + 0.0036) /
               ((ma * ma + mb * mb + 0.0004) * (aa + bb + 0.0036));
    }
  }
  EXPECT_NEAR(structural_similarity(a, b, kWidth), total / a.size(), 1e-12);
  EXPECT_NEAR(structural_similarity(a, a, kWidth), 1, 1e-12);
}

}  // namespace
}  // namespace fovea::lab
