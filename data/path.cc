#include "data/path.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fovea {
namespace {

constexpr int kStepsPerSpan = 8;
constexpr int kStepsPerEllipse = 40;
constexpr int kStepsPerCap = 5;
constexpr float kPi = std::numbers::pi_v<float>;

Point catmull_rom(Point a, Point b, Point c, Point d, float t) {
  const auto axis = [t](float p0, float p1, float p2, float p3) {
    return 0.5F *
           (2 * p1 +
            t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * p1 - p0 - 3 * p2 + p3))));
  };
  return {axis(a.x, b.x, c.x, d.x), axis(a.y, b.y, c.y, d.y)};
}

// Half a circle from angle `from` to `from` + pi around `centre`, without its end points.
void append_cap(Path& path, Point centre, float radius, float from) {
  for (int i = 1; i < kStepsPerCap; ++i) {
    const float angle = from + kPi * static_cast<float>(i) / kStepsPerCap;
    path.push_back(centre + radius * Point{std::cos(angle), std::sin(angle)});
  }
}

}  // namespace

Line curve(const std::vector<Point>& points) {
  const auto n = static_cast<std::ptrdiff_t>(points.size());
  if (n < 3) return points;
  const auto at = [&](std::ptrdiff_t i) {
    return points[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, n - 1))];
  };
  Line line;
  for (std::ptrdiff_t i = 0; i + 1 < n; ++i) {
    for (int step = 0; step < kStepsPerSpan; ++step) {
      const float t = static_cast<float>(step) / kStepsPerSpan;
      line.push_back(catmull_rom(at(i - 1), at(i), at(i + 1), at(i + 2), t));
    }
  }
  line.push_back(points.back());
  return line;
}

Path closed_curve(const std::vector<Point>& points) {
  const std::size_t n = points.size();
  Path path;
  for (std::size_t i = 0; i < n; ++i) {
    for (int step = 0; step < kStepsPerSpan; ++step) {
      const float t = static_cast<float>(step) / kStepsPerSpan;
      path.push_back(catmull_rom(points[(i + n - 1) % n], points[i], points[(i + 1) % n],
                                 points[(i + 2) % n], t));
    }
  }
  return path;
}

Path joined(std::initializer_list<Line> lines) {
  Path path;
  for (const Line& line : lines) path.insert(path.end(), line.begin(), line.end());
  return path;
}

Path ellipse(Point centre, float radius_x, float radius_y, float angle) {
  const float c = std::cos(angle), s = std::sin(angle);
  Path path;
  for (int i = 0; i < kStepsPerEllipse; ++i) {
    const float t = 2 * kPi * static_cast<float>(i) / kStepsPerEllipse;
    const float x = radius_x * std::cos(t), y = radius_y * std::sin(t);
    path.push_back(centre + Point{c * x - s * y, s * x + c * y});
  }
  return path;
}

Path stroke(const Line& line, float start, float middle, float end) {
  const std::size_t n = line.size();
  Path forward, backward;
  float first_angle = 0, last_angle = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Point along = line[std::min(i + 1, n - 1)] - line[i == 0 ? 0 : i - 1];
    const float angle = std::atan2(along.y, along.x);
    const float t = n > 1 ? 2 * static_cast<float>(i) / static_cast<float>(n - 1) : 0;
    const float width = t < 1 ? start + t * (middle - start) : middle + (t - 1) * (end - middle);
    const Point normal = (width / 2) * Point{-std::sin(angle), std::cos(angle)};
    forward.push_back(line[i] - normal);
    backward.push_back(line[i] + normal);
    if (i == 0) first_angle = angle;
    last_angle = angle;
  }
  append_cap(forward, line.back(), end / 2, last_angle - kPi / 2);
  forward.insert(forward.end(), backward.rbegin(), backward.rend());
  append_cap(forward, line.front(), start / 2, first_angle + kPi / 2);
  return forward;
}

Path mirrored(const Path& path) {
  Path other(path.rbegin(), path.rend());
  for (Point& p : other) p.x = -p.x;
  return other;
}

}  // namespace fovea
