// Draws one synthetic face, and finds the pixels that carry its labels.
#pragma once

#include "data/image.h"
#include "data/synth_traits.h"

namespace fovea::synth {

// Face and background without camera effects, before rounding to bytes.
[[nodiscard]] Canvas draw_face(const Face& face, const Shot& shot, int size);

// Light from a side, exposure, colour cast and sensor noise, then rounding to bytes. The noise is
// Philox(seed, kSynthFace, 2^33 + face).
[[nodiscard]] Image photograph(const Canvas& canvas, const Shot& shot, std::uint64_t seed,
                               std::uint64_t face);

// Bits of a label mask's pixels.
inline constexpr std::uint8_t kCarriesAge = 1, kCarriesGender = 2;
// Two colours closer than this in every channel count as equal.
inline constexpr float kVisibleDifference = 16.0F / 255;

// Per pixel (size, size) the labels that it carries: a pixel carries a label when it would look
// different, by kVisibleDifference or more on draw_face's canvas, with another value of that label
// and everything else unchanged.
[[nodiscard]] std::vector<std::uint8_t> label_mask(const Labels& labels, const Person& person,
                                                   const Shot& shot, const Canvas& drawn);

// Corners of the head's bounding box in pixels of a picture of `size`.
struct FaceBox {
  float left = 0, top = 0, right = 0, bottom = 0;
};
[[nodiscard]] FaceBox face_box(const Face& face, int size);

}  // namespace fovea::synth
