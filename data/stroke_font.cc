#include "data/stroke_font.h"

#include <charconv>
#include <cmath>
#include <numbers>

#include "engine/core/error.h"

namespace fovea {
namespace {

// A character on a grid of which 19 units are the em: baseline 0, small letters up to 10, capitals
// and ascenders to 14, descenders down to -4.5; y UP. `sides` is what stands left and right: a stem
// keeps the most distance from its neighbour, then a round, then a diagonal or open side.
struct Glyph {
  char character;
  std::string_view sides;
  float width;
  // M x y: the pen goes there; L: draws a line; H: a quarter of an ellipse that leaves
  // horizontally and arrives vertically; V: the other way round; Q a b x y: a parabola towards
  // (a, b) and then to (x, y).
  std::string_view pen;
};

constexpr float kEm = 19;
constexpr Glyph kGlyphs[]{
    {' ', "oo", 3.4F, ""},
    {'!', "ss", 0, "M 0 14 L 0 4.6 M 0 .3 L 0 0"},
    {'"', "ss", 3.2F, "M 0 14 L 0 9.8 M 3.2 14 L 3.2 9.8"},
    {'#', "oo", 10, "M 4.2 13.5 L 1.8 .5 M 8.4 13.5 L 6 .5 M .6 9.4 L 10 9.4 M .2 4.6 L 9.6 4.6"},
    {'$', "rr", 8.4F,
     "M 8 10.8 V 4.3 13 H .5 9.8 V 4.3 6.9 H 8.4 3.9 V 4.2 1 H 0 3 M 4.2 15.4 L 4.2 -1.4"},
    {'%', "rr", 14.4F,
     "M 3 14 H 6 10.6 V 3 7.2 H 0 10.6 V 3 14 M 11.4 6.8 H 14.4 3.4 V 11.4 0 H 8.4 3.4 V 11.4 6.8 "
     "M 11.2 14 L 3.2 0"},
    {'&', "ro", 10.6F,
     "M 10.6 0 L 2.2 9.2 Q 1.2 10.4 1.2 11.4 V 3.9 14 H 6.6 11.5 Q 6.6 9.8 4.6 8.6 L 2.4 7.2 "
     "Q 0 5.8 0 3.6 V 4.2 0 Q 8.6 0 9.6 6"},
    {'\'', "ss", 0, "M 0 14 L 0 9.8"},
    {'(', "ro", 3.4F, "M 3.4 15.5 Q 0 11 0 6 Q 0 1 3.4 -3.5"},
    {')', "or", 3.4F, "M 0 15.5 Q 3.4 11 3.4 6 Q 3.4 1 0 -3.5"},
    {'*', "oo", 5.2F, "M 2.6 14 L 2.6 8 M 0 12.5 L 5.2 9.5 M 5.2 12.5 L 0 9.5"},
    {'+', "rr", 9, "M 4.5 10.5 L 4.5 1.5 M 0 6 L 9 6"},
    {',', "ss", .8F, "M .8 .6 L .8 0 L 0 -2.6"},
    {'-', "rr", 4.4F, "M 0 5.2 L 4.4 5.2"},
    {'.', "ss", 0, "M 0 .3 L 0 0"},
    {'/', "oo", 5.6F, "M 0 -2 L 5.6 14"},
    {'0', "rr", 8.4F, "M 4.2 14 H 8.4 7 V 4.2 0 H 0 7 V 4.2 14"},
    {'1', "rr", 8.4F, "M 1.2 11.8 L 4.5 14 L 4.5 0 M 1.4 0 L 7.6 0"},
    {'2', "rr", 8.4F, "M .4 11.4 V 4.2 14 H 8 10.3 Q 8 8.2 5.8 5.9 L .2 0 L 8.4 0"},
    {'3', "rr", 8.4F,
     "M .4 12 V 4 14 H 7.9 10.8 V 4.2 7.6 L 3 7.6 M 4.2 7.6 H 8.4 3.8 V 4 0 H 0 2.2"},
    {'4', "rr", 8.4F, "M 6.4 0 L 6.4 14 L 0 4.2 L 8.6 4.2"},
    {'5', "rr", 8.4F, "M 7.6 14 L 1.2 14 L .8 7.6 Q 2.4 8.9 4.2 8.9 H 8.4 4.5 V 4 0 H 0 2"},
    {'6', "rr", 8.4F,
     "M 7.6 12.4 Q 6.6 14 4.7 14 H 0 6.4 L 0 4.4 V 4.2 0 H 8.4 4.4 V 4.2 8.7 H 0 4.4"},
    {'7', "rr", 8.4F, "M 0 14 L 8.2 14 L 2.8 0"},
    {'8', "rr", 8.4F,
     "M 4.2 14 H 7.9 10.8 V 4.2 7.6 H .5 10.8 V 4.2 14 M 4.2 7.6 H 8.4 3.8 V 4.2 0 H 0 3.8 "
     "V 4.2 7.6"},
    {'9', "rr", 8.4F,
     "M .8 1.6 Q 1.8 0 3.7 0 H 8.4 7.6 L 8.4 9.6 V 4.2 14 H 0 9.6 V 4.2 5.3 H 8.4 9.6"},
    {':', "ss", 0, "M 0 .3 L 0 0 M 0 8.5 L 0 8.2"},
    {';', "ss", .8F, "M .8 .6 L .8 0 L 0 -2.6 M .8 8.5 L .8 8.2"},
    {'<', "rr", 9, "M 9 10.2 L 0 6 L 9 1.8"},
    {'=', "rr", 9, "M 0 8 L 9 8 M 0 4 L 9 4"},
    {'>', "rr", 9, "M 0 10.2 L 9 6 L 0 1.8"},
    {'?', "rr", 7, "M 0 11.5 V 3.4 14 H 7 10.8 Q 7 9 5.1 7.6 Q 3.3 6.3 3.3 4.4 M 3.3 .3 L 3.3 0"},
    {'@', "rr", 14.4F,
     "M 10.4 5.6 V 7.2 8.9 H 4 5.6 V 7.2 2.3 H 10.4 5.6 M 10.4 8.8 L 10.4 4.6 V 12.3 2.4 H 14.4 "
     "6.4 "
     "V 7.2 13 H 0 5.4 V 7.2 -2.4 Q 9.6 -2.4 11.4 -1.2"},
    {'A', "oo", 11, "M 0 0 L 5.5 14 L 11 0 M 1.9 4.8 L 9.1 4.8"},
    {'B', "sr", 9.2F,
     "M 0 0 L 0 14 L 4.8 14 H 8.4 10.8 V 4.8 7.5 L 0 7.5 M 4.8 7.5 H 9.2 3.8 V 4.8 0 L 0 0"},
    {'C', "ro", 10.6F, "M 10.4 11.8 V 6.2 14 H 0 7 V 6.2 0 H 10.4 2.2"},
    {'D', "sr", 10.6F, "M 0 0 L 0 14 L 4 14 H 10.6 7 V 4 0 L 0 0"},
    {'E', "so", 8.6F, "M 8.4 14 L 0 14 L 0 0 L 8.6 0 M 0 7.4 L 7.8 7.4"},
    {'F', "so", 8, "M 8 14 L 0 14 L 0 0 M 0 7.2 L 7 7.2"},
    {'G', "rs", 11, "M 10.6 11.8 V 6.2 14 H 0 7 V 6.2 0 Q 9.2 0 11 2 L 11 6.6 L 7 6.6"},
    {'H', "ss", 10, "M 0 14 L 0 0 M 10 14 L 10 0 M 0 7.3 L 10 7.3"},
    {'I', "ss", 0, "M 0 14 L 0 0"},
    {'J', "os", 5, "M 5 14 L 5 4 V 1.8 0 L 0 0"},
    {'K', "so", 9.4F, "M 0 14 L 0 0 M 9 14 L 0 5.4 M 3.3 8.6 L 9.6 0"},
    {'L', "so", 8, "M 0 14 L 0 0 L 8 0"},
    {'M', "ss", 12, "M 0 0 L 0 14 L 6 3.4 L 12 14 L 12 0"},
    {'N', "ss", 10.4F, "M 0 0 L 0 14 L 10.4 0 L 10.4 14"},
    {'O', "rr", 12.4F, "M 6.2 14 H 12.4 7 V 6.2 0 H 0 7 V 6.2 14"},
    {'P', "sr", 8.8F, "M 0 0 L 0 14 L 4.8 14 H 8.8 10.2 V 4.8 6.4 L 0 6.4"},
    {'Q', "rr", 12.4F, "M 6.2 14 H 12.4 7 V 6.2 0 H 0 7 V 6.2 14 M 7.8 3.2 L 11.8 -1.4"},
    {'R', "so", 9.4F, "M 0 0 L 0 14 L 4.8 14 H 8.8 10.3 V 4.8 6.6 L 0 6.6 M 4.8 6.6 L 9.4 0"},
    {'S', "rr", 9, "M 8.4 11.7 V 4.6 14 H .5 10.7 V 4.6 7.3 H 9 3.6 V 4.4 0 H 0 2.4"},
    {'T', "oo", 10, "M 0 14 L 10 14 M 5 14 L 5 0"},
    {'U', "ss", 10, "M 0 14 L 0 5 V 5 0 H 10 5 L 10 14"},
    {'V', "oo", 10.8F, "M 0 14 L 5.4 0 L 10.8 14"},
    {'W', "oo", 16, "M 0 14 L 4 0 L 8 14 L 12 0 L 16 14"},
    {'X', "oo", 10, "M 0 14 L 10 0 M 10 14 L 0 0"},
    {'Y', "oo", 10, "M 0 14 L 5 6.6 L 10 14 M 5 6.6 L 5 0"},
    {'Z', "oo", 9.8F, "M .2 14 L 9.6 14 L 0 0 L 9.8 0"},
    {'[', "so", 3, "M 3 15.5 L 0 15.5 L 0 -3.5 L 3 -3.5"},
    {'\\', "oo", 5.6F, "M 0 14 L 5.6 -2"},
    {']', "os", 3, "M 0 15.5 L 3 15.5 L 3 -3.5 L 0 -3.5"},
    {'^', "oo", 8, "M 0 9 L 4 14 L 8 9"},
    {'_', "oo", 9, "M 0 -3 L 9 -3"},
    {'`', "oo", 2, "M 0 14.5 L 2 12.3"},
    {'a', "rs", 7.6F,
     "M .7 8.2 V 3.8 10 H 7.6 6.6 L 7.6 0 M 7.6 5.7 L 3.3 5.7 H 0 2.8 V 3.2 0 H 7.6 3.8"},
    {'b', "sr", 8.4F, "M 0 14 L 0 0 M 0 5 V 4.2 10 H 8.4 5 V 4.2 0 H 0 5"},
    {'c', "ro", 7.4F, "M 7.4 8.3 V 4.3 10 H 0 5 V 4.3 0 H 7.4 1.7"},
    {'d', "rs", 8.4F, "M 8.4 14 L 8.4 0 M 8.4 5 V 4.2 10 H 0 5 V 4.2 0 H 8.4 5"},
    {'e', "rr", 8.4F, "M 0 5.2 L 8.4 5.2 V 4.3 10 H 0 5 V 4.5 0 H 8 1.8"},
    {'f', "oo", 5.2F, "M 5.4 14 L 4.9 14 H 2 11 L 2 0 M 0 10 L 4.8 10"},
    {'g', "rs", 8.4F,
     "M 8.4 10 L 8.4 -.6 V 4.2 -4.5 H .8 -2.9 M 8.4 5 V 4.2 10 H 0 5 V 4.2 0 H 8.4 5"},
    {'h', "ss", 7.8F, "M 0 14 L 0 0 M 0 5.8 V 4.2 10 H 7.8 6 L 7.8 0"},
    {'i', "ss", 0, "M 0 10 L 0 0 M 0 13.8 L 0 13.5"},
    {'j', "os", 2, "M 2 10 L 2 -2 V -.4 -4.5 M 2 13.8 L 2 13.5"},
    {'k', "so", 7.6F, "M 0 14 L 0 0 M 7.2 10 L 0 3.7 M 2.8 6.2 L 7.8 0"},
    {'l', "so", 2.4F, "M 0 14 L 0 2.4 V 2.2 0 L 2.4 0"},
    {'m', "ss", 13,
     "M 0 10 L 0 0 M 0 6 V 3.7 10 H 6.5 6.4 L 6.5 0 M 6.5 6 V 10.2 10 H 13 6.4 L 13 0"},
    {'n', "ss", 7.8F, "M 0 10 L 0 0 M 0 5.8 V 4.2 10 H 7.8 6 L 7.8 0"},
    {'o', "rr", 8.8F, "M 4.4 10 H 8.8 5 V 4.4 0 H 0 5 V 4.4 10"},
    {'p', "sr", 8.4F, "M 0 10 L 0 -4.5 M 0 5 V 4.2 10 H 8.4 5 V 4.2 0 H 0 5"},
    {'q', "rs", 8.4F, "M 8.4 10 L 8.4 -4.5 M 8.4 5 V 4.2 10 H 0 5 V 4.2 0 H 8.4 5"},
    {'r', "so", 4.4F, "M 0 10 L 0 0 M 0 5.6 V 4 10 L 4.6 10"},
    {'s', "rr", 7, "M 6.6 8.3 V 3.6 10 H .4 7.6 V 3.6 5.15 H 7 2.55 V 3.5 0 H 0 1.7"},
    {'t', "oo", 5, "M 2 13.2 L 2 3 V 4.8 0 L 5.2 0 M 0 10 L 5 10"},
    {'u', "ss", 7.8F, "M 0 10 L 0 4 V 3.6 0 H 7.8 4.2 M 7.8 10 L 7.8 0"},
    {'v', "oo", 8, "M 0 10 L 4 0 L 8 10"},
    {'w', "oo", 12, "M 0 10 L 3 0 L 6 10 L 9 0 L 12 10"},
    {'x', "oo", 7.6F, "M 0 10 L 7.6 0 M 0 0 L 7.6 10"},
    {'y', "oo", 8, "M 0 10 L 4.1 .2 M 8 10 L 3.4 -2 Q 2.4 -4.5 .5 -4.5"},
    {'z', "oo", 7.2F, "M .2 10 L 7 10 L 0 0 L 7.2 0"},
    {'{', "oo", 4.4F, "M 4.4 15.5 H 2.2 13.3 L 2.2 8.2 V 0 6 H 2.2 3.8 L 2.2 -1.3 V 4.4 -3.5"},
    {'|', "ss", 0, "M 0 15.5 L 0 -3.5"},
    {'}', "oo", 4.4F, "M 0 15.5 H 2.2 13.3 L 2.2 8.2 V 4.4 6 H 2.2 3.8 L 2.2 -1.3 V 0 -3.5"},
    {'~', "rr", 9, "M 0 4.8 Q 1.2 7.2 2.9 7.2 Q 3.9 7.2 4.5 6 Q 5.1 4.8 6.1 4.8 Q 7.8 4.8 9 7.2"},
};
constexpr Glyph kUnknown{'\0', "ss", 7, "M 0 0 L 0 14 L 7 14 L 7 0 L 0 0"};
static_assert(std::size(kGlyphs) == '~' - ' ' + 1);

// What stays free on a side beyond the pen's edge.
constexpr float side_distance(char side) { return side == 's' ? 1.35F : side == 'r' ? .85F : .15F; }

float left_of(const Glyph& glyph, float pen) {
  return side_distance(glyph.sides[0]) + kEm * pen / 2;
}

float advance_of(const Glyph& glyph, float pen) {
  return left_of(glyph, pen) + glyph.width + side_distance(glyph.sides[1]) + kEm * pen / 2;
}

// Calls `take` for the character at each place of `text`; the bytes of one UTF-8 sequence are one.
template <class Take>
void for_each_glyph(std::string_view text, Take take) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0U) == 0x80U) continue;  // inside a sequence
    take(byte >= ' ' && byte <= '~' ? kGlyphs[byte - ' '] : kUnknown);
  }
}

constexpr int kSteps = 8;  // per quarter or parabola: under a tenth of a pixel at 40 pixels an em

// A quarter ellipse; `horizontal`: it leaves `from` horizontally.
void append_quarter(Line& line, Point from, Point to, bool horizontal) {
  for (int i = 1; i <= kSteps; ++i) {
    const float angle =
        std::numbers::pi_v<float> / 2 * static_cast<float>(i) / static_cast<float>(kSteps);
    const float fast = std::sin(angle), slow = 1 - std::cos(angle);
    const float x = horizontal ? fast : slow, y = horizontal ? slow : fast;
    line.push_back({from.x + x * (to.x - from.x), from.y + y * (to.y - from.y)});
  }
}

void append_parabola(Line& line, Point from, Point towards, Point to) {
  for (int i = 1; i <= kSteps; ++i) {
    const float t = static_cast<float>(i) / static_cast<float>(kSteps);
    line.push_back(between(between(from, towards, t), between(towards, to, t), t));
  }
}

float next_number(std::string_view& pen) {
  pen.remove_prefix(pen.find_first_not_of(' '));
  float value = 0;
  const auto [end, error] = std::from_chars(pen.data(), pen.data() + pen.size(), value);
  expects(error == std::errc{}, "a number in a glyph");
  pen.remove_prefix(static_cast<std::size_t>(end - pen.data()));
  return value;
}

Point next_point(std::string_view& pen) {
  const float x = next_number(pen);
  return {x, next_number(pen)};
}

std::vector<Line> strokes_of(std::string_view pen) {
  std::vector<Line> strokes;
  for (std::size_t at = pen.find_first_not_of(' '); at < pen.size();
       at = pen.find_first_not_of(' ')) {
    const char command = pen[at];
    pen.remove_prefix(at + 1);
    if (command == 'M') {
      strokes.push_back({next_point(pen)});
      continue;
    }
    Line& line = strokes.back();
    const Point from = line.back(), next = next_point(pen);
    switch (command) {
      case 'L':
        line.push_back(next);
        break;
      case 'Q':
        append_parabola(line, from, next, next_point(pen));
        break;
      default:
        append_quarter(line, from, next, command == 'H');
    }
  }
  return strokes;
}

}  // namespace

float text_length(std::string_view text, float pen) {
  float length = 0;
  for_each_glyph(text, [&](const Glyph& glyph) { length += advance_of(glyph, pen); });
  return length / kEm;
}

std::vector<Line> text_strokes(std::string_view text, float pen) {
  std::vector<Line> all;
  float start = 0;
  for_each_glyph(text, [&](const Glyph& glyph) {
    const float left = start + left_of(glyph, pen);
    for (Line& line : strokes_of(glyph.pen)) {
      for (Point& p : line) p = {(left + p.x) / kEm, -p.y / kEm};
      all.push_back(std::move(line));
    }
    start += advance_of(glyph, pen);
  });
  return all;
}

}  // namespace fovea
