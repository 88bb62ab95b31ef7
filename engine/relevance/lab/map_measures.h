// What one relevance map is like, and whether it lies where it should: no net is asked.
//
// r_i, i = 1 .. n: one value per pixel (channels summed). M: the pixels of a mask, those that carry
// what the net was asked for. A map without (positive) relevance measures 0 everywhere.
#pragma once

#include <cstdint>
#include <span>

namespace fovea::lab {

// Entropy of the shares of magnitude, in nats: -sum p_i ln p_i with p_i = |r_i| / sum |r|.
// 0: one pixel says it all; ln n: all say the same.     Bhatt, Weller & Moura 2020 (complexity)
[[nodiscard]] double complexity(std::span<const float> map);

// Gini index of the magnitudes v_1 <= ... <= v_n: sum_i (2 i - n - 1) v_i / (n sum v).
// 0: all equal; 1 - 1/n: a single pixel.                Chalasani et al. 2020 (sparseness)
[[nodiscard]] double sparseness(std::span<const float> map);

// Share of the positive relevance that lies inside the mask: sum_{i in M} r+ / sum r+.
// Relevance that says nothing has the mask's share of the image. A mask that is not 0 counts.
//                                                       Arras, Osman & Samek 2022, eq. 1
[[nodiscard]] double mass_inside(std::span<const float> map, std::span<const std::uint8_t> mask);

// Share of the |M| most relevant pixels that lie inside the mask; equal values in pixel order.
//                                                       Arras, Osman & Samek 2022, eq. 2
[[nodiscard]] double rank_inside(std::span<const float> map, std::span<const std::uint8_t> mask);

// Whether the most relevant pixel (the first of equals) lies inside the mask or at most `tolerance`
// pixels (Euclidean) from a pixel of it; 0 is the plain game. A map without positive relevance
// misses.                                               Zhang et al. 2018 (pointing game)
[[nodiscard]] bool points_inside(std::span<const float> map, std::span<const std::uint8_t> mask,
                                 int width, int tolerance = 0);

// Share of the image that the mask covers: what mass_inside and rank_inside are for random maps.
[[nodiscard]] double mask_share(std::span<const std::uint8_t> mask);

}  // namespace fovea::lab
