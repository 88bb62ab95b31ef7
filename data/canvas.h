// A square RGB canvas with anti-aliased filling: exact area coverage, no supersampling.
//
// Shapes come in the user's coordinates and reach pixels through one affine map per canvas; pixel
// (row y, column x) covers the square [x, x+1) x [y, y+1). Colours are 0..1 per channel, blended as
// they are (no gamma). The same calls give the same bytes in every run of one build.
// Method: signed areas accumulated per edge, then summed along rows (R. Levien's font-rs).
#pragma once

#include <cstdint>
#include <vector>

#include "data/path.h"

namespace fovea {

struct Color {
  float r = 0, g = 0, b = 0;
};
constexpr Color operator*(float s, Color c) { return {s * c.r, s * c.g, s * c.b}; }
constexpr Color operator*(Color a, Color b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
constexpr Color mix(Color a, Color b, float t) {
  return {a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

// How much of each pixel a shape covers, 0..1, over the rectangle that it touches.
struct Coverage {
  int left = 0, top = 0, width = 0, height = 0;
  std::vector<float> alpha;  // (height, width)
};
// Both at once: the product on the rectangle of `a`.
[[nodiscard]] Coverage intersection(Coverage a, const Coverage& b);

class Canvas {
 public:
  Canvas(int size, const Affine& to_pixels);

  [[nodiscard]] int size() const { return size_; }
  // Plane 0 red, 1 green, 2 blue; size * size values each.
  [[nodiscard]] std::vector<float>& plane(int channel) { return planes_[channel]; }
  [[nodiscard]] const std::vector<float>& plane(int channel) const { return planes_[channel]; }

  [[nodiscard]] Coverage coverage(const Path& path) const;
  void fill(const Coverage& area, Color color, float alpha = 1);
  void fill(const Path& path, Color color, float alpha = 1) { fill(coverage(path), color, alpha); }
  // `from` up to point a, `to` from point b on, blended along the line between them.
  void fill(const Coverage& area, Color from, Color to, Point a, Point b);
  // A soft ellipse inside `area`: alpha * (1 - d^2)^2 with d = 1 on its rim.
  void glow(const Coverage& area, Point centre, float radius_x, float radius_y, Color color,
            float alpha);
  // Everything.
  [[nodiscard]] Coverage everywhere() const;

 private:
  int size_;
  Affine to_pixels_, from_pixels_;
  std::vector<float> planes_[3];
};

}  // namespace fovea
