#include "data/small_text.h"

#include <cstdio>

namespace fovea {
namespace {

constexpr int kColumns = 5, kRows = 7, kFactor = 2, kAdvance = 6;  // in dots, kFactor pixels wide
static_assert(kTextHeight == kRows * kFactor);

struct Glyph {
  char character;
  std::array<const char*, kRows> rows;
};

constexpr Glyph kGlyphs[]{
    {'0', {" ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "}},
    {'1', {"  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "}},
    {'2', {" ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####"}},
    {'3', {" ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### "}},
    {'4', {"   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # "}},
    {'5', {"#####", "#    ", "#### ", "    #", "    #", "#   #", " ### "}},
    {'6', {" ### ", "#    ", "#    ", "#### ", "#   #", "#   #", " ### "}},
    {'7', {"#####", "    #", "   # ", "  #  ", "  #  ", " #   ", " #   "}},
    {'8', {" ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### "}},
    {'9', {" ### ", "#   #", "#   #", " ####", "    #", "    #", " ### "}},
    {'.', {"     ", "     ", "     ", "     ", "     ", " ##  ", " ##  "}},
    {'-', {"     ", "     ", "     ", " ### ", "     ", "     ", "     "}},
    {'+', {"     ", "     ", "  #  ", " ### ", "  #  ", "     ", "     "}},
    {'e', {"     ", "     ", " ### ", "#   #", "#####", "#    ", " ### "}},
};

const Glyph* glyph_of(char character) {
  for (const Glyph& glyph : kGlyphs) {
    if (glyph.character == character) return &glyph;
  }
  return nullptr;
}

void draw_dot(Image& image, int top, int left, std::array<std::uint8_t, 3> color) {
  for (int y = top; y < top + kFactor; ++y) {
    for (int x = left; x < left + kFactor; ++x) {
      if (y < 0 || x < 0 || y >= image.height || x >= image.width) continue;
      for (std::size_t c = 0; c < 3; ++c)
        image.pixels[3 * static_cast<std::size_t>(y * image.width + x) + c] = color[c];
    }
  }
}

}  // namespace

std::string short_number(float value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", static_cast<double>(value == 0 ? 0 : value));
  return text.data();
}

int text_width(std::string_view text) {
  return text.empty() ? 0
                      : kFactor * (kAdvance * static_cast<int>(text.size()) - kAdvance + kColumns);
}

void draw_text(Image& image, int top, int left, std::string_view text,
               std::array<std::uint8_t, 3> color) {
  for (const char character : text) {
    if (const Glyph* glyph = glyph_of(character)) {
      for (int row = 0; row < kRows; ++row) {
        for (int column = 0; column < kColumns; ++column) {
          if (glyph->rows[static_cast<std::size_t>(row)][column] == '#')
            draw_dot(image, top + kFactor * row, left + kFactor * column, color);
        }
      }
    }
    left += kFactor * kAdvance;
  }
}

}  // namespace fovea
