#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/error.h"

namespace fovea {
namespace {

// Uniform in [-1, 1).
float symmetric(const RandomKey& key, std::uint64_t index) {
  return 2 * random_uniform(key, index) - 1;
}

}  // namespace

void check_augmentation(const Augmentation& a, const std::string& where) {
  const auto share = [](float value) { return value >= 0 && value < 1; };
  require(a.rotation >= 0 && a.rotation <= 180 && share(a.zoom) && share(a.brightness) &&
              share(a.colour),
          "augmentation for ", where, ": rotation ", a.rotation, ", zoom ", a.zoom, ", brightness ",
          a.brightness, ", colour ", a.colour,
          ", expected 0 to 180 degrees, and shares from 0 to below 1");
}

void augment_planes(std::span<const std::uint8_t> planes, const Shape& shape,
                    const Augmentation& augmentation, const RandomKey& key,
                    std::vector<std::uint8_t>& out) {
  const int channels = static_cast<int>(shape[0]), height = static_cast<int>(shape[1]),
            width = static_cast<int>(shape[2]);
  const std::size_t area = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  expects(planes.size() == area * static_cast<std::size_t>(channels), "planes of the shape");
  out.resize(planes.size());
  const float angle = symmetric(key, 0) * augmentation.rotation * std::numbers::pi_v<float> / 180;
  const float zoom = 1 + symmetric(key, 1) * augmentation.zoom;
  const float brightness = 1 + symmetric(key, 2) * augmentation.brightness;
  std::vector<float> gain;
  for (int c = 0; c < channels; ++c) {
    gain.push_back(brightness *
                   (1 + symmetric(key, 3 + static_cast<std::uint64_t>(c)) * augmentation.colour));
  }
  const float u = std::cos(angle) / zoom, v = std::sin(angle) / zoom;
  const float mid_y = 0.5F * static_cast<float>(height - 1),
              mid_x = 0.5F * static_cast<float>(width - 1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const float dy = static_cast<float>(y) - mid_y, dx = static_cast<float>(x) - mid_x;
      const float from_y = std::clamp(mid_y + u * dy - v * dx, 0.F, static_cast<float>(height - 1));
      const float from_x = std::clamp(mid_x + v * dy + u * dx, 0.F, static_cast<float>(width - 1));
      const int top = static_cast<int>(from_y), left = static_cast<int>(from_x);
      const int bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
      const float fy = from_y - static_cast<float>(top), fx = from_x - static_cast<float>(left);
      const auto at = [&](int row, int column) {
        return static_cast<std::size_t>(row) * static_cast<std::size_t>(width) +
               static_cast<std::size_t>(column);
      };
      const std::size_t a = at(top, left), b = at(top, right), c = at(bottom, left),
                        d = at(bottom, right), to = at(y, x);
      for (std::size_t k = 0; k < gain.size(); ++k) {
        const std::uint8_t* from = planes.data() + k * area;
        const float upper =
            static_cast<float>(from[a]) * (1 - fx) + static_cast<float>(from[b]) * fx;
        const float lower =
            static_cast<float>(from[c]) * (1 - fx) + static_cast<float>(from[d]) * fx;
        const float value = gain[k] * (upper * (1 - fy) + lower * fy);
        out[k * area + to] = static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.F, 255.F));
      }
    }
  }
}

}  // namespace fovea
