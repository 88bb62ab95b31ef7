// Lines drawn into a picture with smooth edges.
//
// A pixel is covered as far as the band of the line's width reaches into it, measured across the
// line: overlap of [d - 1/2, d + 1/2] with [-width / 2, width / 2], d being the distance of its
// centre from the nearest piece of the line. Exact along an axis; ends and joints are round, and
// lines that cross or overlap are one shape, nowhere darker. Colours are blended as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"
#include "data/path.h"

namespace fovea {

struct Pen {
  std::uint32_t color = 0;  // 0xRRGGBB
  float width = 1;          // pixels
  float opacity = 1;
};

// Into a picture with three channels; pixel (row y, column x) covers [x, x+1) x [y, y+1). A line
// of one point is a dot. What lies outside is cut off.
void draw_lines(Image& image, const std::vector<Line>& lines, const Pen& pen);

// The pieces of `line` that dashes and gaps of these lengths, in turns, leave; itself without any.
[[nodiscard]] std::vector<Line> dashed(const Line& line, const std::vector<float>& lengths);

}  // namespace fovea
