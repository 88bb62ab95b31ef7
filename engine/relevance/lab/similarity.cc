#include "engine/relevance/lab/similarity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/core/error.h"

namespace fovea::lab {
namespace {

double correlation_of(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double da = a[i] - mean_a, db = b[i] - mean_b;
    ab += da * db, aa += da * da, bb += db * db;
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

std::vector<double> ranks_of(std::span<const float> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    const double rank = static_cast<double>(first + last - 1) / 2;
    for (std::size_t k = first; k < last; ++k) ranks[order[k]] = rank;
  }
  return ranks;
}

constexpr int kRadius = 5;

std::array<double, 2 * kRadius + 1> window() {
  std::array<double, 2 * kRadius + 1> weights{};
  for (int d = -kRadius; d <= kRadius; ++d)
    weights[static_cast<std::size_t>(d + kRadius)] = std::exp(-d * d / (2 * 1.5 * 1.5));
  return weights;
}

// Weighted mean over the window along one axis (`stride` apart, `extent` long), cut off at its
// ends.
std::vector<double> averaged(const std::vector<double>& in, int extent, int stride) {
  static const auto weights = window();
  std::vector<double> out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int at = static_cast<int>(i) / stride % extent;
    double sum = 0, total = 0;
    for (int d = std::max(-kRadius, -at); d <= std::min(kRadius, extent - 1 - at); ++d) {
      const double w = weights[static_cast<std::size_t>(d + kRadius)];
      sum += w * in[static_cast<std::size_t>(static_cast<int>(i) + d * stride)];
      total += w;
    }
    out[i] = sum / total;
  }
  return out;
}

std::vector<double> scaled(std::span<const float> map) {
  double largest = 0;
  for (const float v : map) largest = std::max(largest, std::abs(double{v}));
  std::vector<double> values(map.begin(), map.end());
  for (double& v : values) v = largest > 0 ? v / largest : 0;
  return values;
}

}  // namespace

double correlation(std::span<const float> a, std::span<const float> b) {
  expects(a.size() == b.size(), "maps of one size are compared");
  return correlation_of(std::vector<double>(a.begin(), a.end()),
                        std::vector<double>(b.begin(), b.end()));
}

double rank_correlation(std::span<const float> a, std::span<const float> b) {
  expects(a.size() == b.size(), "maps of one size are compared");
  return correlation_of(ranks_of(a), ranks_of(b));
}

double structural_similarity(std::span<const float> a, std::span<const float> b, int width) {
  expects(a.size() == b.size(), "maps of one size are compared");
  constexpr double kC1 = 0.02 * 0.02, kC2 = 0.06 * 0.06;
  const int height = static_cast<int>(a.size()) / width;
  const std::vector<double> x = scaled(a), y = scaled(b);
  const auto mean_of = [&](auto&& value) {
    std::vector<double> values(x.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(x[i], y[i]);
    return averaged(averaged(values, width, 1), height, width);
  };
  const auto mx = mean_of([](double p, double) { return p; });
  const auto my = mean_of([](double, double q) { return q; });
  const auto xx = mean_of([](double p, double) { return p * p; });
  const auto yy = mean_of([](double, double q) { return q * q; });
  const auto xy = mean_of([](double p, double q) { return p * q; });
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double mean_product = mx[i] * my[i], squares = mx[i] * mx[i] + my[i] * my[i];
    total += (2 * mean_product + kC1) * (2 * (xy[i] - mean_product) + kC2) /
             ((squares + kC1) * (xx[i] + yy[i] - squares + kC2));
  }
  return total / static_cast<double>(x.size());
}

}  // namespace fovea::lab
