// Fillers: the distributions that Caffe's have, and the same numbers for the same seed and blob.
#include "engine/train/filler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

struct Moments {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

const Shape kShape{50, 20, 5, 5};  // fan-in 500
constexpr double kCount = 50 * 500;

std::vector<float> filled(const Filler& filler, std::uint64_t seed = 1, std::uint64_t blob = 0) {
  std::vector<float> values(static_cast<std::size_t>(kCount));
  fill(filler, kShape, seed, blob, values);
  return values;
}

Moments moments(const std::vector<float>& values) {
  Moments m;
  for (const float v : values) m.mean += static_cast<double>(v) / kCount;
  for (const float v : values) m.deviation += std::pow(static_cast<double>(v) - m.mean, 2) / kCount;
  m.deviation = std::sqrt(m.deviation);
  const auto [low, high] = std::ranges::minmax(values);
  m.low = static_cast<double>(low), m.high = static_cast<double>(high);
  return m;
}

// Sampling errors: 5 standard errors of the mean, 3 % of the deviation (25,000 values).
void expect_moments(const std::vector<float>& values, double mean, double deviation) {
  const Moments m = moments(values);
  EXPECT_NEAR(m.mean, mean, 5 * deviation / std::sqrt(kCount));
  EXPECT_NEAR(m.deviation, deviation, 0.03 * deviation);
}

TEST(Filler, ConstantIsConstant) {
  const Moments m = moments(filled({.type = FillerType::kConstant, .value = 0.5F}));
  EXPECT_EQ(m.low, 0.5);
  EXPECT_EQ(m.high, 0.5);
}

TEST(Filler, UniformCoversItsRange) {
  const std::vector<float> values = filled({.type = FillerType::kUniform, .min = -1, .max = 3});
  expect_moments(values, 1, 4 / std::sqrt(12.0));
  const Moments m = moments(values);
  EXPECT_GE(m.low, -1);
  EXPECT_LT(m.high, 3);
  EXPECT_LT(m.low, -0.99);
  EXPECT_GT(m.high, 2.99);
}

TEST(Filler, GaussianHasItsMeanAndDeviation) {
  expect_moments(filled({.type = FillerType::kGaussian, .mean = 2, .std = 0.01F}), 2, 0.01);
}

TEST(Filler, XavierAndMsraGoByTheFanIn) {
  const std::vector<float> xavier = filled({.type = FillerType::kXavier});
  expect_moments(xavier, 0, std::sqrt(1.0 / 500));
  EXPECT_LE(moments(xavier).high, std::sqrt(3.0 / 500));
  expect_moments(filled({.type = FillerType::kMsra}), 0, std::sqrt(2.0 / 500));
}

TEST(Filler, IsAFunctionOfSeedAndBlob) {
  const Filler filler{.type = FillerType::kGaussian};
  EXPECT_EQ(filled(filler, 1, 2), filled(filler, 1, 2));
  EXPECT_NE(filled(filler, 1, 2), filled(filler, 1, 3));
  EXPECT_NE(filled(filler, 1, 2), filled(filler, 2, 2));
}

}  // namespace
}  // namespace fovea
