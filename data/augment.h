// Extra augmentation of 8-bit planes before the crop: a small rotation, zoom and change of colours.
//
//   y(p) = clamp(g_c x(c + R(-a)(p - c) / s)), bilinear, edges repeated: centre c, angle a drawn
//   from
//   [-rotation, rotation] degrees, s from [1 - zoom, 1 + zoom], g_c = b k_c with b from
//   [1 - brightness, 1 + brightness] and k_c from [1 - colour, 1 + colour].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/random.h"
#include "engine/core/shape.h"

namespace fovea {

struct Augmentation {
  float rotation = 0;                          // degrees
  float zoom = 0, brightness = 0, colour = 0;  // shares, below 1
  [[nodiscard]] bool any() const {
    return rotation != 0 || zoom != 0 || brightness != 0 || colour != 0;
  }
};

// Error naming `where` on a value out of range.
void check_augmentation(const Augmentation& augmentation, const std::string& where);

// Fills `out` with the augmented planes of shape (C, H, W); `key` says the draw.
void augment_planes(std::span<const std::uint8_t> planes, const Shape& shape,
                    const Augmentation& augmentation, const RandomKey& key,
                    std::vector<std::uint8_t>& out);

}  // namespace fovea
