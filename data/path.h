// Outlines for data/canvas.h: points, curves through points, ellipses, strokes with a varying
// width.
//
// Coordinates are whatever the canvas is told they are (data/synth_face.h: face units, x to the
// right, y down).
#pragma once

#include <initializer_list>
#include <vector>

namespace fovea {

struct Point {
  float x = 0, y = 0;
};
constexpr Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
constexpr Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
constexpr Point operator*(float s, Point p) { return {s * p.x, s * p.y}; }
constexpr Point between(Point a, Point b, float t) { return a + t * (b - a); }

// x = xx * p.x + xy * p.y + tx, y likewise.
struct Affine {
  float xx = 1, xy = 0, yx = 0, yy = 1, tx = 0, ty = 0;
  [[nodiscard]] constexpr Point operator()(Point p) const {
    return {xx * p.x + xy * p.y + tx, yx * p.x + yy * p.y + ty};
  }
  [[nodiscard]] constexpr Affine inverse() const {
    const float d = xx * yy - xy * yx;
    return {.xx = yy / d,
            .xy = -xy / d,
            .yx = -yx / d,
            .yy = xx / d,
            .tx = (xy * ty - yy * tx) / d,
            .ty = (yx * tx - xx * ty) / d};
  }
};

// One closed polygon; the last point is joined to the first.
using Path = std::vector<Point>;
// An open line.
using Line = std::vector<Point>;

// A smooth line through `points` (a Catmull-Rom spline, cut into short segments).
[[nodiscard]] Line curve(const std::vector<Point>& points);
// The same, closed.
[[nodiscard]] Path closed_curve(const std::vector<Point>& points);
// Open curves joined end to end by straight edges: corners where they meet.
[[nodiscard]] Path joined(std::initializer_list<Line> lines);
[[nodiscard]] Path ellipse(Point centre, float radius_x, float radius_y, float angle = 0);

// The band around `line`, with round ends. Widths are full widths at the start, the middle and the
// end.
[[nodiscard]] Path stroke(const Line& line, float start, float middle, float end);
[[nodiscard]] inline Path stroke(const Line& line, float width) {
  return stroke(line, width, width, width);
}

// `path` with x negated, wound the same way round.
[[nodiscard]] Path mirrored(const Path& path);

}  // namespace fovea
