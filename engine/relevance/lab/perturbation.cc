#include "engine/relevance/lab/perturbation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea::lab {
namespace {

struct Tiling {
  std::int64_t height, width, region, columns, tiles;

  Tiling(std::int64_t h, std::int64_t w, int side)
      : height(h),
        width(w),
        region(side),
        columns((w + side - 1) / side),
        tiles(columns * ((h + side - 1) / side)) {}

  // Calls visit(first pixel, count) for each row of pixels of a tile.
  template <class Visit>
  void visit_rows(std::int64_t tile, Visit&& visit) const {
    const std::int64_t top = tile / columns * region, left = tile % columns * region;
    const std::int64_t count = std::min(region, width - left);
    for (std::int64_t y = top; y < std::min(height, top + region); ++y)
      visit(y * width + left, count);
  }
};

void check(const PerturbationOptions& options, TensorView<const float> images,
           TensorView<const float> baselines, TensorView<const float> maps,
           std::span<const int> targets) {
  require(options.region >= 1, "wrong region: ", options.region, " pixels, expected 1 or more");
  require(options.steps >= 1, "wrong number of steps: ", options.steps, ", expected 1 or more");
  require(options.share > 0 && options.share <= 1, "wrong share: ", options.share,
          ", expected more than 0 and at most 1");
  expects(images.shape.rank() == 4 && baselines.shape == images.shape, "a baseline per image");
  expects(maps.shape == Shape{images.shape.n(), images.shape.h(), images.shape.w()} &&
              std::ssize(targets) == images.shape.n(),
          "a map and a target per image");
}

// Adds the means of one step's scores to the curve.
void add_point(PerturbationCurve& curve, const Tensor<float>& scores,
               std::span<const int> targets) {
  const auto classes = static_cast<std::size_t>(scores.shape.c());
  double score = 0, probability = 0, accuracy = 0;
  for (std::size_t n = 0; n < targets.size(); ++n) {
    const std::span<const float> row(scores.values.data() + n * classes, classes);
    const auto target = static_cast<std::size_t>(targets[n]);
    const double highest = double{std::ranges::max(row)};
    double sum = 0;
    for (const float s : row) sum += std::exp(double{s} - highest);
    score += double{row[target]};
    probability += std::exp(double{row[target]} - highest) / sum;
    if (double{row[target]} == highest) accuracy += 1;
  }
  const auto count = static_cast<double>(targets.size());
  curve.score.push_back(score / count);
  curve.probability.push_back(probability / count);
  curve.accuracy.push_back(accuracy / count);
}

}  // namespace

double PerturbationCurve::aopc(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += values[0] - v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

std::vector<std::uint32_t> perturbation_order(TensorView<const float> map,
                                              const PerturbationOptions& options,
                                              std::uint64_t image) {
  const Tiling tiling(map.shape[0], map.shape[1], options.region);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(tiling.tiles));
  std::iota(order.begin(), order.end(), 0U);
  if (options.order == PerturbationOrder::kRandom) {
    random_shuffle({options.seed, RandomPurpose::kAttribution, image}, std::span(order));
    return order;
  }
  std::vector<double> sums(order.size());
  for (std::size_t tile = 0; tile < sums.size(); ++tile) {
    tiling.visit_rows(static_cast<std::int64_t>(tile), [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) sums[tile] += double{map[i]};
    });
  }
  const bool most = options.order == PerturbationOrder::kMostRelevantFirst;
  std::ranges::stable_sort(
      order, [&](auto a, auto b) { return most ? sums[a] > sums[b] : sums[a] < sums[b]; });
  return order;
}

PerturbationCurve perturb(const ScoreFunction& scores, TensorView<const float> images,
                          TensorView<const float> baselines, TensorView<const float> maps,
                          std::span<const int> targets, const PerturbationOptions& options) {
  check(options, images, baselines, maps, targets);
  const Shape& shape = images.shape;
  const std::int64_t area = shape.h() * shape.w();
  const Tiling tiling(shape.h(), shape.w(), options.region);
  std::vector<std::vector<std::uint32_t>> orders;
  for (std::int64_t n = 0; n < shape.n(); ++n) {
    orders.push_back(perturbation_order({maps.data + n * area, Shape{shape.h(), shape.w()}},
                                        options, static_cast<std::uint64_t>(n)));
  }
  Tensor<float> changed(shape, {images.data, images.data + images.count()});
  PerturbationCurve curve;
  std::int64_t done = 0;
  for (int step = 0; step <= options.steps; ++step) {
    const auto wanted = std::llround(double{options.share} * step / options.steps *
                                     static_cast<double>(tiling.tiles));
    for (; done < wanted; ++done) {
      for (std::int64_t n = 0; n < shape.n(); ++n) {
        const std::uint32_t tile =
            orders[static_cast<std::size_t>(n)][static_cast<std::size_t>(done)];
        tiling.visit_rows(tile, [&](std::int64_t first, std::int64_t count) {
          for (std::int64_t c = 0; c < shape.c(); ++c) {
            const std::int64_t at = (n * shape.c() + c) * area + first;
            std::copy_n(baselines.data + at, count, changed.values.data() + at);
          }
        });
      }
    }
    curve.share.push_back(static_cast<double>(done) / static_cast<double>(tiling.tiles));
    add_point(curve, scores(changed.view()), targets);
  }
  return curve;
}

}  // namespace fovea::lab
