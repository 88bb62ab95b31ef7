// A figure as a list of marks, which two renderers turn into an SVG or into pixels: whatever is in
// the one is in the other, at the same place.
//
// Coordinates: x to the right, y down, one unit is one CSS pixel of the SVG. Marks lie over each
// other in their order. How a mark looks is said by name, once per drawing; a drawing that goes
// into a page (to_svg) may leave it to the page's style sheet, where the names are classes.
// Lines have round ends and joints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/path.h"

namespace fovea {

struct Look {
  std::uint32_t color = 0;          // 0xRRGGBB
  float width = 1;                  // of lines
  float opacity = 1;                // 0..1
  std::vector<float> dashes = {};   // lengths of dash, gap, dash, ...; none: unbroken
  float text_size = 12;             // of text: its em
  bool bold = false, halo = false;  // halo: a white rim that keeps what lies behind off the text
};

enum class Anchor : std::uint8_t { kStart, kMiddle, kEnd };  // which part of a text is at its point

struct Mark {
  enum class Kind : std::uint8_t { kLine, kDisc, kText } kind = Kind::kLine;
  std::string look;            // one or more names with blanks between; one entry of looks
  std::vector<Point> at = {};  // a line's points, a disc's centre, a text's point on its baseline
  float radius = 0;            // of a disc
  std::string text = {};
  Anchor anchor = Anchor::kStart;
  bool upwards = false;  // a text that reads from below to above
};

struct Drawing {
  float width = 0, height = 0;
  std::string description = {};  // for who does not see it
  std::vector<Mark> marks = {};
  std::map<std::string, Look> looks = {};

  void line(std::vector<Point> points, std::string look);
  void disc(Point centre, float radius, std::string look);
  void text(Point at, Anchor anchor, std::string text, std::string look, bool upwards = false);
  // All of `part` (its size apart), moved by `offset`.
  void place(const Drawing& part, Point offset);
};

// For a page: scales to the width that it is given, colours by the page's classes.
[[nodiscard]] std::string to_svg(const Drawing& drawing);
// A file of its own on white.
[[nodiscard]] std::string to_svg_file(const Drawing& drawing);
// `scale` pixels a unit, on white. Letters are data/stroke_font's.
[[nodiscard]] Image to_image(const Drawing& drawing, float scale = 2);

struct FigureFormats {
  bool svg = true, png = true;
};
// Writes stem.svg and stem.png, returns what was written. Error when a file exists and `overwrite`
// is false.
std::vector<std::filesystem::path> write_figure(const Drawing& drawing, const std::string& stem,
                                                bool overwrite, FigureFormats formats = {});

}  // namespace fovea
