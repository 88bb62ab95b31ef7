// A drawing as pixels; data/drawing.cc writes the same marks as SVG.
#include <algorithm>
#include <cmath>

#include "data/drawing.h"
#include "data/ink.h"
#include "data/stroke_font.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr float kHalo = 4;  // of drawing.cc's style sheet: half of it on either side of the pen

Affine scaled(float scale) { return {.xx = scale, .yy = scale}; }

// Lines along an axis get whole pixels, so that they are sharp: as wide as they should be, rounded,
// and shifted by less than a pixel.
void snap(Line& line, float& width) {
  const bool level = std::ranges::all_of(line, [&](Point p) { return p.y == line[0].y; });
  const bool upright = std::ranges::all_of(line, [&](Point p) { return p.x == line[0].x; });
  if (line.size() < 2 || level == upright) return;
  width = std::max(std::round(width), 1.0F);
  const auto snapped = [&](float middle) { return std::round(middle - width / 2) + width / 2; };
  for (Point& p : line) {
    if (level) p.y = snapped(p.y);
    if (upright) p.x = snapped(p.x);
  }
}

void draw_line(Image& image, const Mark& mark, const Look& look, float scale) {
  Line line;
  for (const Point& p : mark.at) line.push_back(scaled(scale)(p));
  if (line.empty()) return;
  float width = scale * look.width;
  snap(line, width);
  std::vector<float> dashes = look.dashes;
  for (float& length : dashes) length *= scale;
  draw_lines(image, dashed(line, dashes),
             {.color = look.color, .width = width, .opacity = look.opacity});
}

void draw_text(Image& image, const Mark& mark, const Look& look, float scale) {
  const float em = scale * look.text_size, pen = look.bold ? kBoldPenWidth : kPenWidth;
  const float share = mark.anchor == Anchor::kStart ? 0 : mark.anchor == Anchor::kMiddle ? 0.5F : 1;
  const Point start{-share * text_length(mark.text, pen), 0}, at = scaled(scale)(mark.at[0]);
  std::vector<Line> strokes = text_strokes(mark.text, pen);
  for (Line& line : strokes) {
    for (Point& p : line) {
      const Point q = em * (start + p);
      p = at + (mark.upwards ? Point{q.y, -q.x} : q);
    }
  }
  if (look.halo) draw_lines(image, strokes, {.color = 0xffffff, .width = em * pen + scale * kHalo});
  draw_lines(image, strokes, {.color = look.color, .width = em * pen});
}

}  // namespace

Image to_image(const Drawing& drawing, float scale) {
  Image image{.height = static_cast<int>(std::ceil(scale * drawing.height)),
              .width = static_cast<int>(std::ceil(scale * drawing.width))};
  image.pixels.assign(
      3 * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width), 255);
  for (const Mark& mark : drawing.marks) {
    const auto found = drawing.looks.find(mark.look);
    expects(found != drawing.looks.end(), "a look for every mark of a figure");
    const Look& look = found->second;
    switch (mark.kind) {
      case Mark::Kind::kLine:
        draw_line(image, mark, look, scale);
        break;
      case Mark::Kind::kDisc:
        draw_lines(image, {{scaled(scale)(mark.at[0])}},
                   {.color = look.color, .width = 2 * scale * mark.radius});
        break;
      case Mark::Kind::kText:
        draw_text(image, mark, look, scale);
        break;
    }
  }
  return image;
}

}  // namespace fovea
