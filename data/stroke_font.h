// Letters drawn as strokes of a pen: a face of our own of lines and quarter ellipses, for text in
// pictures of pixels at any size and angle.
//
// Printable ASCII; any other character is an empty box. Digits are equally wide. Units: 1 is the
// size of the text (the em); capitals are 0.74 high, small letters 0.53. y down, baseline at 0.
#pragma once

#include <string_view>
#include <vector>

#include "data/path.h"

namespace fovea {

inline constexpr float kPenWidth = 0.082F, kBoldPenWidth = 0.125F;  // in ems
inline constexpr float kCapitalHeight = 14.0F / 19;

// From the start of the first to the end of the last character. A wider pen sets them wider.
[[nodiscard]] float text_length(std::string_view text, float pen = kPenWidth);

// The pen's ways, the text starting at (0, 0).
[[nodiscard]] std::vector<Line> text_strokes(std::string_view text, float pen = kPenWidth);

}  // namespace fovea
