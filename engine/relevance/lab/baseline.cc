#include "engine/relevance/lab/baseline.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/core/random.h"

namespace fovea::lab {
namespace {

// Sets an image from pixel(i), a value in 0 .. 255, and back.
void from_pixels(std::span<float> image, const InputUnits& units, auto&& pixel) {
  const bool everywhere = units.mean.values.size() == 1;
  expects(everywhere || units.mean.values.size() == image.size(), "a mean of the image's shape");
  for (std::size_t i = 0; i < image.size(); ++i)
    image[i] = (pixel(i) - units.mean.values[everywhere ? 0 : i]) * units.scale;
}
std::vector<float> to_pixels(std::span<const float> image, const InputUnits& units) {
  const bool everywhere = units.mean.values.size() == 1;
  std::vector<float> pixels(image.begin(), image.end());
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = pixels[i] / units.scale + units.mean.values[everywhere ? 0 : i];
  return pixels;
}

std::vector<float> gaussian(float sigma) {
  const int radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<float> weights;
  for (int d = -radius; d <= radius; ++d)
    weights.push_back(std::exp(-static_cast<float>(d * d) / (2 * sigma * sigma)));
  const float total = std::accumulate(weights.begin(), weights.end(), 0.0F);
  for (float& w : weights) w /= total;
  return weights;
}

// One axis of a separable blur of a plane: `extent` values `stride` apart.
void blur_axis(std::vector<float>& plane, std::span<const float> weights, int extent, int stride) {
  const std::vector<float> in = plane;
  const int radius = static_cast<int>(weights.size()) / 2;
  for (int i = 0; i < static_cast<int>(plane.size()); ++i) {
    const int at = i / stride % extent;
    float sum = 0;
    for (int d = -radius; d <= radius; ++d) {
      const int from = std::clamp(at + d, 0, extent - 1);
      sum += weights[static_cast<std::size_t>(d + radius)] *
             in[static_cast<std::size_t>(i + (from - at) * stride)];
    }
    plane[static_cast<std::size_t>(i)] = sum;
  }
}

void fill_plane(std::span<float> plane, Baseline kind, int height, int width) {
  if (kind == Baseline::kImageMean) {
    const double sum = std::accumulate(plane.begin(), plane.end(), 0.0);
    std::ranges::fill(plane, static_cast<float>(sum / static_cast<double>(plane.size())));
    return;
  }
  const std::vector<float> weights = gaussian(static_cast<float>(width) / 16);
  std::vector<float> values(plane.begin(), plane.end());
  blur_axis(values, weights, width, 1);
  blur_axis(values, weights, height, width);
  std::ranges::copy(values, plane.begin());
}

}  // namespace

Tensor<float> baselines(TensorView<const float> images, Baseline kind, const InputUnits& units,
                        std::uint64_t seed) {
  const Shape& shape = images.shape;
  const auto size = static_cast<std::size_t>(shape.count_from(1));
  const auto area = static_cast<std::size_t>(shape.h() * shape.w());
  Tensor<float> result(shape);
  for (std::size_t n = 0; n < static_cast<std::size_t>(shape.n()); ++n) {
    const std::span<float> image = std::span(result.values).subspan(n * size, size);
    if (kind == Baseline::kMean) continue;
    if (kind == Baseline::kBlack) {
      from_pixels(image, units, [](std::size_t) { return 0.0F; });
    } else if (kind == Baseline::kNoise) {
      const RandomKey key{seed, RandomPurpose::kAttribution, (std::uint64_t{1} << 32) + n};
      from_pixels(image, units, [&](std::size_t i) { return 255 * random_uniform(key, i); });
    } else {
      std::vector<float> pixels = to_pixels({images.data + n * size, size}, units);
      for (std::size_t plane = 0; plane < size; plane += area) {
        fill_plane(std::span(pixels).subspan(plane, area), kind, static_cast<int>(shape.h()),
                   static_cast<int>(shape.w()));
      }
      from_pixels(image, units, [&](std::size_t i) { return pixels[i]; });
    }
  }
  return result;
}

}  // namespace fovea::lab
