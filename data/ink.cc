#include "data/ink.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/error.h"

namespace fovea {
namespace {

// Pixels [left, right) x [top, bottom).
struct Window {
  int left = 0, top = 0, right = 0, bottom = 0;
  [[nodiscard]] int width() const { return std::max(right - left, 0); }
  [[nodiscard]] int height() const { return std::max(bottom - top, 0); }
};

// What a pen as wide as 2 * reach touches on the way between two points, within `limits`.
Window window_of(Point a, Point b, float reach, const Window& limits) {
  const auto low = [reach](float x, float y, int limit) {
    return std::max(static_cast<int>(std::floor(std::max(std::min(x, y) - reach, -1.0F))), limit);
  };
  const auto high = [reach](float x, float y, int limit) {
    const float end = std::min(std::max(x, y) + reach, static_cast<float>(limit));
    return std::min(static_cast<int>(std::ceil(end)), limit);
  };
  return {low(a.x, b.x, limits.left), low(a.y, b.y, limits.top), high(a.x, b.x, limits.right),
          high(a.y, b.y, limits.bottom)};
}

// Squared distances of pixel centres from the nearest of the pieces added so far.
class Distances {
 public:
  Distances(const std::vector<Line>& lines, float reach, const Image& image) : reach_(reach) {
    Point low{1e9F, 1e9F}, high{-1e9F, -1e9F};
    for (const Line& line : lines) {
      for (const Point& p : line) {
        low = {std::min(low.x, p.x), std::min(low.y, p.y)};
        high = {std::max(high.x, p.x), std::max(high.y, p.y)};
      }
    }
    window_ = window_of(low, high, reach, {0, 0, image.width, image.height});
    squares_.assign(
        static_cast<std::size_t>(window_.width()) * static_cast<std::size_t>(window_.height()),
        std::numeric_limits<float>::max());
    for (const Line& line : lines) {
      for (std::size_t i = 0; i < line.size(); ++i) {
        if (i + 1 < line.size() || i == 0) add(line[i], line[std::min(i + 1, line.size() - 1)]);
      }
    }
  }

  [[nodiscard]] const Window& window() const { return window_; }
  [[nodiscard]] float operator()(int x, int y) const { return std::sqrt(squares_[index(x, y)]); }

 private:
  [[nodiscard]] std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y - window_.top) * static_cast<std::size_t>(window_.width()) +
           static_cast<std::size_t>(x - window_.left);
  }

  void add(Point a, Point b) {
    const Point along = b - a;
    const float length = along.x * along.x + along.y * along.y;
    const Window w = window_of(a, b, reach_, window_);
    for (int y = w.top; y < w.bottom; ++y) {
      for (int x = w.left; x < w.right; ++x) {
        const Point p = Point{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F} - a;
        const float share =
            length > 0 ? std::clamp((p.x * along.x + p.y * along.y) / length, 0.0F, 1.0F) : 0;
        const Point away = p - share * along;
        float& square = squares_[index(x, y)];
        square = std::min(square, away.x * away.x + away.y * away.y);
      }
    }
  }

  float reach_;
  Window window_;
  std::vector<float> squares_;
};

}  // namespace

void draw_lines(Image& image, const std::vector<Line>& lines, const Pen& pen) {
  expects(image.channels == 3, "lines are drawn in colour");
  const float half = pen.width / 2;
  const Distances distances(lines, half + 0.5F, image);
  const Window& window = distances.window();
  for (int y = window.top; y < window.bottom; ++y) {
    for (int x = window.left; x < window.right; ++x) {
      const float d = distances(x, y);
      const float covered =
          std::max(std::min(d + 0.5F, half) - std::max(d - 0.5F, -half), 0.0F) * pen.opacity;
      if (covered == 0) continue;
      const auto pixel = 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
                              static_cast<std::size_t>(x));
      for (std::size_t c = 0; c < 3; ++c) {
        std::uint8_t& value = image.pixels[pixel + c];
        const auto below = static_cast<float>(value),
                   above = static_cast<float>(pen.color >> (16 - 8 * c) & 255U);
        value = static_cast<std::uint8_t>(below + covered * (above - below) + 0.5F);
      }
    }
  }
}

std::vector<Line> dashed(const Line& line, const std::vector<float>& lengths) {
  if (lengths.empty()) return {line};
  std::vector<Line> pieces;
  std::size_t k = 0;
  float left = lengths[0];
  bool pen_down = true;
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    const Point along = line[i + 1] - line[i];
    const float length = std::hypot(along.x, along.y);
    for (float done = 0; done < length;) {
      const float step = std::min(left, length - done);
      const Point from = line[i] + (done / length) * along,
                  to = line[i] + ((done + step) / length) * along;
      if (pen_down) {
        const bool begins = left == lengths[k] || pieces.empty();
        if (begins) pieces.push_back({from});
        pieces.back().push_back(to);
      }
      done += step, left -= step;
      if (left > 0) continue;
      k = (k + 1) % lengths.size(), left = lengths[k], pen_down = !pen_down;
    }
  }
  return pieces;
}

}  // namespace fovea
