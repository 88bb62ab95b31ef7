#include "data/canvas.h"

#include <algorithm>
#include <cmath>

#include "engine/core/error.h"

namespace fovea {
namespace {

// Signed area coverage of edges, one row of width + 1 cells per pixel row; the running sum along a
// row is the coverage.
class Accumulator {
 public:
  Accumulator(int width, int height)
      : width_(width),
        height_(height),
        cells_(static_cast<std::size_t>(height) * static_cast<std::size_t>(width + 2)) {}

  void add_edge(Point from, Point to) {
    if (from.y == to.y) return;
    const float sign = from.y < to.y ? 1.0F : -1.0F;
    if (sign < 0) std::swap(from, to);
    const float slope = (to.x - from.x) / (to.y - from.y);
    const float top = std::max(from.y, 0.0F), bottom = std::min(to.y, static_cast<float>(height_));
    for (int row = static_cast<int>(top); static_cast<float>(row) < bottom; ++row) {
      const float y0 = std::max(top, static_cast<float>(row));
      const float y1 = std::min(bottom, static_cast<float>(row + 1));
      add_within_row(row, from.x + slope * (y0 - from.y), from.x + slope * (y1 - from.y),
                     sign * (y1 - y0));
    }
  }

  std::vector<float> take_alpha() {
    std::vector<float> alpha(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_));
    for (int row = 0; row < height_; ++row) {
      const float* cells = row_cells(row);
      float* out = alpha.data() + static_cast<std::ptrdiff_t>(row) * width_;
      float sum = 0;
      for (int x = 0; x < width_; ++x) {
        sum += cells[x];
        out[x] = std::min(std::abs(sum), 1.0F);
      }
    }
    return alpha;
  }

 private:
  float* row_cells(int row) {
    return cells_.data() + static_cast<std::ptrdiff_t>(row) * (width_ + 2);
  }

  // The part of an edge inside one row, from x0 to x1, covering `height` (signed) of the row. What
  // lies left of the rectangle counts at its left edge, what lies right of it not at all.
  void add_within_row(int row, float x0, float x1, float height) {
    if (x0 > x1) std::swap(x0, x1);
    const auto right = static_cast<float>(width_);
    if (x0 >= right) return;
    if (x1 <= 0) {
      row_cells(row)[0] += height;
      return;
    }
    const float length = x1 - x0;
    if (x0 < 0) {
      const float outside = height * (-x0 / length);
      row_cells(row)[0] += outside;
      height -= outside, x0 = 0;
    }
    if (x1 > right) height *= (right - x0) / (x1 - x0), x1 = right;
    add_inside(row_cells(row), x0, x1, height);
  }

  static void add_inside(float* cells, float x0, float x1, float height) {
    const int first = static_cast<int>(x0);
    const float x0_floor = std::floor(x0), x1_ceil = std::ceil(x1);
    const int last = static_cast<int>(x1_ceil);
    if (last <= first + 1) {
      const float right_part = height * (0.5F * (x0 + x1) - x0_floor);
      cells[first] += height - right_part;
      cells[first + 1] += right_part;
      return;
    }
    const float per_cell = 1 / (x1 - x0), from = x0 - x0_floor, to = x1 - x1_ceil + 1;
    const float area_first = 0.5F * per_cell * (1 - from) * (1 - from);
    const float area_last = 0.5F * per_cell * to * to;
    cells[first] += height * area_first;
    if (last == first + 2) {
      cells[first + 1] += height * (1 - area_first - area_last);
    } else {
      const float sum_second = per_cell * (1.5F - from);
      cells[first + 1] += height * (sum_second - area_first);
      for (int x = first + 2; x < last - 1; ++x) cells[x] += height * per_cell;
      const float sum_before = sum_second + static_cast<float>(last - first - 3) * per_cell;
      cells[last - 1] += height * (1 - sum_before - area_last);
    }
    cells[last] += height * area_last;
  }

  int width_, height_;
  std::vector<float> cells_;
};

// The first and one past the last pixel of [low, high] on an axis of `size` pixels.
std::pair<int, int> pixel_range(float low, float high, int size) {
  const auto limit = static_cast<float>(size);
  const int first = static_cast<int>(std::floor(std::clamp(low, 0.0F, limit)));
  const int last = static_cast<int>(std::ceil(std::clamp(high, 0.0F, limit)));
  return {first, std::max(first, last)};
}

}  // namespace

Coverage intersection(Coverage a, const Coverage& b) {
  for (int y = 0; y < a.height; ++y) {
    float* row = a.alpha.data() + static_cast<std::ptrdiff_t>(y) * a.width;
    const int y_b = a.top + y - b.top;
    for (int x = 0; x < a.width; ++x) {
      const int x_b = a.left + x - b.left;
      const bool inside = y_b >= 0 && y_b < b.height && x_b >= 0 && x_b < b.width;
      row[x] *= inside ? b.alpha[static_cast<std::size_t>(y_b * b.width + x_b)] : 0.0F;
    }
  }
  return a;
}

Canvas::Canvas(int size, const Affine& to_pixels)
    : size_(size), to_pixels_(to_pixels), from_pixels_(to_pixels.inverse()) {
  expects(size > 0, "a canvas has pixels");
  for (auto& plane : planes_) {
    plane.assign(static_cast<std::size_t>(size) * static_cast<std::size_t>(size), 0.0F);
  }
}

Coverage Canvas::coverage(const Path& path) const {
  if (path.empty()) return {};
  Path pixels(path.size());
  Point low{1e9F, 1e9F}, high{-1e9F, -1e9F};
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Point p = to_pixels_(path[i]);
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    pixels[i] = p;
  }
  const auto [left, right] = pixel_range(low.x, high.x, size_);
  const auto [top, bottom] = pixel_range(low.y, high.y, size_);
  Coverage area{left, top, right - left, bottom - top, {}};
  if (area.width == 0 || area.height == 0) return {};
  Accumulator accumulator(area.width, area.height);
  const Point origin{static_cast<float>(left), static_cast<float>(top)};
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    accumulator.add_edge(pixels[i] - origin, pixels[(i + 1) % pixels.size()] - origin);
  }
  area.alpha = accumulator.take_alpha();
  return area;
}

void Canvas::fill(const Coverage& area, Color color, float alpha) {
  const float channels[3] = {color.r, color.g, color.b};
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < area.height; ++y) {
      float* out =
          planes_[c].data() + static_cast<std::ptrdiff_t>(area.top + y) * size_ + area.left;
      const float* cover = area.alpha.data() + static_cast<std::ptrdiff_t>(y) * area.width;
      for (int x = 0; x < area.width; ++x) out[x] += alpha * cover[x] * (channels[c] - out[x]);
    }
  }
}

void Canvas::fill(const Coverage& area, Color from, Color to, Point a, Point b) {
  const Point along = b - a;
  const float scale = 1 / (along.x * along.x + along.y * along.y);
  for (int y = 0; y < area.height; ++y) {
    const auto row = static_cast<std::ptrdiff_t>(area.top + y) * size_ + area.left;
    const float* cover = area.alpha.data() + static_cast<std::ptrdiff_t>(y) * area.width;
    for (int x = 0; x < area.width; ++x) {
      const Point p = from_pixels_({static_cast<float>(area.left + x) + 0.5F,
                                    static_cast<float>(area.top + y) + 0.5F}) -
                      a;
      const float t = std::clamp((p.x * along.x + p.y * along.y) * scale, 0.0F, 1.0F);
      const Color color = mix(from, to, t);
      float* red = planes_[0].data() + row + x;
      float* green = planes_[1].data() + row + x;
      float* blue = planes_[2].data() + row + x;
      *red += cover[x] * (color.r - *red);
      *green += cover[x] * (color.g - *green);
      *blue += cover[x] * (color.b - *blue);
    }
  }
}

void Canvas::glow(const Coverage& area, Point centre, float radius_x, float radius_y, Color color,
                  float alpha) {
  const float channels[3] = {color.r, color.g, color.b};
  // Only the rectangle that holds the ellipse's corners after the map.
  Point low{1e9F, 1e9F}, high{-1e9F, -1e9F};
  for (const Point corner : {Point{-1, -1}, Point{1, -1}, Point{-1, 1}, Point{1, 1}}) {
    const Point p = to_pixels_(centre + Point{radius_x * corner.x, radius_y * corner.y});
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const auto [first_x, end_x] = pixel_range(low.x, high.x, size_);
  const auto [first_y, end_y] = pixel_range(low.y, high.y, size_);
  const int x_from = std::max(first_x, area.left), x_to = std::min(end_x, area.left + area.width);
  const int y_from = std::max(first_y, area.top), y_to = std::min(end_y, area.top + area.height);
  for (int y = y_from; y < y_to; ++y) {
    const auto row = static_cast<std::ptrdiff_t>(y) * size_;
    const float* cover =
        area.alpha.data() + static_cast<std::ptrdiff_t>(y - area.top) * area.width - area.left;
    for (int x = x_from; x < x_to; ++x) {
      const Point p =
          from_pixels_({static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F}) - centre;
      const float u = p.x / radius_x, v = p.y / radius_y;
      const float inside = std::max(0.0F, 1 - u * u - v * v);
      const float weight = alpha * cover[x] * inside * inside;
      for (int c = 0; c < 3; ++c) {
        float& value = planes_[c][static_cast<std::size_t>(row + x)];
        value += weight * (channels[c] - value);
      }
    }
  }
}

Coverage Canvas::everywhere() const {
  return {0, 0, size_, size_, std::vector<float>(planes_[0].size(), 1.0F)};
}

}  // namespace fovea
