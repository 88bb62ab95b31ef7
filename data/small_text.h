// Numbers written into pictures, in a pixel face of our own: for colour bars.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/image.h"

namespace fovea {

inline constexpr int kTextHeight = 14;  // pixels: seven rows of two

// Three significant digits, as short as it gets: "0.125", "1.2e-05", "0".
[[nodiscard]] std::string short_number(float value);

// Pixels from the left edge of the first to the right edge of the last character.
[[nodiscard]] int text_width(std::string_view text);

// Digits, '.', '-', '+' and 'e', with the upper left corner at (top, left) of a picture with three
// channels. What lies outside is cut off; any other character is left blank.
void draw_text(Image& image, int top, int left, std::string_view text,
               std::array<std::uint8_t, 3> color);

}  // namespace fovea
