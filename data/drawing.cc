#include "data/drawing.h"

#include <cmath>
#include <set>

#include "data/html.h"
#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {
namespace {

// Tenths, written as short as they get: "62", "61.5".
std::string number(float value) {
  std::string text = fixed(static_cast<double>(value), 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string class_of(const Mark& mark) { return str("class=\"", escape_html(mark.look), "\""); }

std::string line_svg(const Mark& mark) {
  std::string points;
  for (const Point& p : mark.at)
    points += str(points.empty() ? "" : " ", number(p.x), ',', number(p.y));
  return str("<polyline points=\"", points, "\" ", class_of(mark), "/>");
}

std::string disc_svg(const Mark& mark) {
  return str("<circle cx=\"", number(mark.at[0].x), "\" cy=\"", number(mark.at[0].y), "\" r=\"",
             number(mark.radius), "\" ", class_of(mark), "/>");
}

std::string text_svg(const Mark& mark) {
  constexpr const char* kAnchors[]{"start", "middle", "end"};
  const std::string x = number(mark.at[0].x), y = number(mark.at[0].y);
  const std::string at = mark.upwards ? str("transform=\"translate(", x, ' ', y, ") rotate(-90)\"")
                                      : str("x=\"", x, "\" y=\"", y, "\"");
  return str("<text ", at, " text-anchor=\"", kAnchors[static_cast<int>(mark.anchor)], "\" ",
             class_of(mark), ">", escape_html(mark.text), "</text>");
}

std::string marks_svg(const Drawing& drawing) {
  std::string svg;
  for (const Mark& mark : drawing.marks) {
    switch (mark.kind) {
      case Mark::Kind::kLine:
        svg += line_svg(mark);
        break;
      case Mark::Kind::kDisc:
        svg += disc_svg(mark);
        break;
      case Mark::Kind::kText:
        svg += text_svg(mark);
        break;
    }
  }
  return svg;
}

std::string color_css(std::uint32_t color) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "#";
  for (int shift = 20; shift >= 0; shift -= 4) text += kDigits[color >> shift & 15U];
  return text;
}

std::string line_css(const Look& look) {
  std::string css = str("stroke:", color_css(look.color), ";stroke-width:", number(look.width));
  if (look.opacity < 1) css += str(";stroke-opacity:", fixed(static_cast<double>(look.opacity), 2));
  for (std::size_t i = 0; i < look.dashes.size(); ++i)
    css += str(i == 0 ? ";stroke-dasharray:" : " ", number(look.dashes[i]));
  return css;
}

std::string text_css(const Look& look) {
  std::string css =
      str("fill:", color_css(look.color), ";font-size:", number(look.text_size), "px");
  if (look.bold) css += ";font-weight:600";
  if (look.halo) css += ";paint-order:stroke;stroke:#fff;stroke-width:4px";
  return css;
}

// One rule for each name that is used, of the element that it is used for.
std::string style_sheet(const Drawing& drawing) {
  std::string css =
      "text{font-family:system-ui,'DejaVu Sans',sans-serif}"
      "polyline{fill:none;stroke-linecap:round;stroke-linejoin:round}";
  std::set<std::pair<Mark::Kind, std::string>> done;
  for (const Mark& mark : drawing.marks) {
    if (!done.emplace(mark.kind, mark.look).second) continue;
    const auto found = drawing.looks.find(mark.look);
    expects(found != drawing.looks.end(), "a look for every mark of a figure");
    std::string classes = mark.look;
    for (char& c : classes) c = c == ' ' ? '.' : c;
    const Look& look = found->second;
    switch (mark.kind) {
      case Mark::Kind::kLine:
        css += str("polyline.", classes, '{', line_css(look), '}');
        break;
      case Mark::Kind::kDisc:
        css += str("circle.", classes, "{fill:", color_css(look.color), '}');
        break;
      case Mark::Kind::kText:
        css += str("text.", classes, '{', text_css(look), '}');
        break;
    }
  }
  return css;
}

std::string frame(const Drawing& drawing) {
  return str("viewBox=\"0 0 ", number(drawing.width), ' ', number(drawing.height),
             "\" role=\"img\" aria-label=\"", escape_html(drawing.description), "\">");
}

}  // namespace

void Drawing::line(std::vector<Point> points, std::string look) {
  marks.push_back({.kind = Mark::Kind::kLine, .look = std::move(look), .at = std::move(points)});
}

void Drawing::disc(Point centre, float radius, std::string look) {
  marks.push_back(
      {.kind = Mark::Kind::kDisc, .look = std::move(look), .at = {centre}, .radius = radius});
}

void Drawing::text(Point at, Anchor anchor, std::string text, std::string look, bool upwards) {
  marks.push_back({.kind = Mark::Kind::kText,
                   .look = std::move(look),
                   .at = {at},
                   .text = std::move(text),
                   .anchor = anchor,
                   .upwards = upwards});
}

void Drawing::place(const Drawing& part, Point offset) {
  for (Mark mark : part.marks) {
    for (Point& p : mark.at) p = p + offset;
    marks.push_back(std::move(mark));
  }
  looks.insert(part.looks.begin(), part.looks.end());
}

std::string to_svg(const Drawing& drawing) {
  return str("<svg class=\"chart\" ", frame(drawing), marks_svg(drawing), "</svg>");
}

std::string to_svg_file(const Drawing& drawing) {
  return str("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", number(drawing.width),
             "\" height=\"", number(drawing.height), "\" ", frame(drawing), "<style>",
             style_sheet(drawing), "</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
             marks_svg(drawing), "</svg>\n");
}

std::vector<std::filesystem::path> write_figure(const Drawing& drawing, const std::string& stem,
                                                bool overwrite, FigureFormats formats) {
  std::vector<std::filesystem::path> written;
  const auto write = [&](const char* extension, const std::string& bytes) {
    write_file(written.emplace_back(stem + extension), bytes, overwrite);
  };
  if (formats.svg) write(".svg", to_svg_file(drawing));
  if (formats.png) write(".png", encode_png(to_image(drawing)));
  return written;
}

}  // namespace fovea
