#include "data/gallery_page.h"

#include <algorithm>

#include "data/html.h"
#include "data/report_style.h"
#include "engine/core/error.h"

namespace fovea {
namespace {

constexpr std::string_view kStyle = R"css(
main { max-width: 1280px; }
.heads dl.facts { flex: 1; }
.bar-row { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; align-items: flex-end; gap: 12px 18px;
  margin: 24px 0 18px; padding: 14px 18px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.bar-row label { display: grid; gap: 3px; font-size: 12.5px; color: var(--soft); }
.bar-row select, .bar-row input { font: inherit; font-size: 14px; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; padding: 5px 8px; min-width: 110px; }
.bar-row input[type=range] { padding: 0; min-width: 130px; accent-color: var(--accent); }
.bar-row output { margin-left: auto; font-weight: 600; font-size: 15px; }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(var(--card-width), 1fr)); }
.cards figure { margin: 0; padding: 12px; }
.cards figure[hidden] { display: none; }
.strip { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 6px; }
.strip img { display: block; width: 100%; border-radius: 5px; image-rendering: pixelated; background: var(--line); }
.strip span { display: block; margin-top: 3px; font-size: 11.5px; color: var(--soft); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cards figcaption { display: flex; flex-wrap: wrap; gap: 0 14px; margin-top: 8px; font-size: 13.5px; }
.cards figcaption i { font-style: normal; color: var(--soft); font-size: 12px; margin-right: 4px; }
.cards figcaption b { margin-left: auto; }
.cards small { flex-basis: 100%; color: var(--soft); font: 11px/1.5 var(--mono); overflow-wrap: anywhere; }
.right { color: var(--good); } .wrong { color: var(--bad); }
)css";

constexpr std::string_view kScript = R"js(
const controls = document.querySelectorAll(".bar-row select, .bar-row input");
const cards = [...document.querySelectorAll(".cards figure")];
function apply() {
  const want = Object.fromEntries([...controls].map(c => [c.name, c.value]));
  let shown = 0;
  for (const card of cards) {
    const d = card.dataset;
    const ok = (!want.truth || d.truth === want.truth) && (!want.predicted || d.predicted === want.predicted)
      && (!want.result || d.result === want.result) && Number(d.probability) >= want.least / 100
      && Number(d.probability) <= want.most / 100;
    card.hidden = !ok;
    shown += ok;
  }
  document.getElementById("shown").textContent = shown + " of " + cards.length;
  const place = new URLSearchParams(Object.entries(want).filter(([k, v]) => v && !(k === "least" && v === "0") && !(k === "most" && v === "100")));
  history.replaceState(null, "", place.size ? "#" + place : location.pathname + location.search);
}
for (const [name, value] of new URLSearchParams(location.hash.slice(1)))
  for (const c of controls) if (c.name === name) c.value = value;
for (const c of controls) c.addEventListener("input", apply);
apply();
)js";

std::string picture(const Image& image, const std::string& what) {
  return str("<div><img alt=\"", escape_html(what), "\" src=\"", data_uri(image), "\"><span>",
             escape_html(what), "</span></div>");
}

std::string card(const GalleryImage& image, const std::vector<std::string>& rules) {
  require(image.heatmaps.size() == rules.size(), "wrong number of heatmaps for image ", image.name,
          ": ", image.heatmaps.size(), ", expected one per rule (", rules.size(), ")");
  const bool known = !image.truth.empty(), right = image.truth == image.predicted;
  const std::string result = !known ? "" : right ? "correct" : "wrong";
  std::string html =
      str("<figure class=\"card\" data-truth=\"", escape_html(image.truth), "\" data-predicted=\"",
          escape_html(image.predicted), "\" data-result=\"", result, "\" data-probability=\"",
          fixed(image.probability, 6), "\"><div class=\"strip\">");
  if (!image.image.pixels.empty()) html += picture(image.image, "image");
  for (std::size_t i = 0; i < rules.size(); ++i) html += picture(image.heatmaps[i], rules[i]);
  html += "</div><figcaption>";
  if (known) html += str("<span><i>true</i>", escape_html(image.truth), "</span>");
  html += str("<span class=\"",
              !known  ? ""
              : right ? "right"
                      : "wrong",
              "\"><i>predicted</i>", escape_html(image.predicted),
              !known  ? ""
              : right ? " ✓"
                      : " ✗",
              "</span>");
  if (image.target != image.predicted)
    html += str("<span><i>explained</i>", escape_html(image.target), "</span>");
  return html + str("<b>", percent(image.probability), "</b><small>", escape_html(image.name),
                    "</small></figcaption></figure>");
}

std::string choice(const char* name, const char* label, std::vector<std::string> values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
  std::string html =
      str("<label>", label, "<select name=\"", name, "\"><option value=\"\">all</option>");
  for (const std::string& value : values) {
    if (!value.empty()) html += str("<option>", escape_html(value), "</option>");
  }
  return html + "</select></label>";
}

std::string controls(const std::vector<GalleryImage>& images) {
  std::vector<std::string> truth, predicted;
  for (const GalleryImage& image : images)
    truth.push_back(image.truth), predicted.push_back(image.predicted);
  return "<form class=\"bar-row\" onsubmit=\"return false\">" +
         choice("truth", "True class", truth) + choice("predicted", "Predicted class", predicted) +
         choice("result", "Result", {"correct", "wrong"}) +
         "<label>Probability from<input type=\"range\" name=\"least\" min=\"0\" max=\"100\" "
         "value=\"0\"></label><label>to<input type=\"range\" name=\"most\" min=\"0\" "
         "max=\"100\" value=\"100\"></label><output id=\"shown\"></output></form>";
}

std::string legend(const std::string& name) {
  const Colormap& map = find_colormap(name);
  std::string stops;
  constexpr int kStops = 32;
  for (int i = 0; i <= kStops; ++i) {
    const float share = static_cast<float>(i) / kStops;
    const auto rgb = map(map.sequential ? share : 2 * share - 1);
    stops += str(i ? "," : "", "rgb(", int{rgb[0]}, ' ', int{rgb[1]}, ' ', int{rgb[2]}, ')');
  }
  const char* ends = map.sequential ? "<span>neutral</span><span>speaks for</span>"
                                    : "<span>speaks against</span><span>neutral</span>"
                                      "<span>speaks for</span>";
  return str("<div class=\"legend\"><div class=\"bar\" style=\"background:linear-gradient(90deg,",
             stops, ")\"></div><div class=\"ends\">", ends, "</div></div>");
}

}  // namespace

std::string gallery_html(const GalleryPage& page) {
  const std::size_t pictures = page.rules.size() + 1;
  std::string html = str(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>",
      escape_html(page.title), "</title><link rel=\"icon\" href=\"data:,\"><style>", kReportStyle,
      kStyle, ":root { --card-width: min(100%, ", 150 * std::max<std::size_t>(2, pictures),
      "px); }</style></head>\n<body><main>\n<header><h1>", escape_html(page.title),
      "</h1><p class=\"lead\">", escape_html(page.lead), "</p></header>\n");
  html += "<div class=\"heads\"><dl class=\"facts\">";
  for (const ReportFact& fact : page.facts) {
    html += str("<div><dt>", escape_html(fact.label), "</dt><dd>", escape_html(fact.value),
                "</dd></div>");
  }
  html += str("</dl>", legend(page.colormap), "</div>", controls(page.images),
              "\n<div class=\"cards\">\n");
  for (const GalleryImage& image : page.images) html += card(image, page.rules) + "\n";
  return html + str("</div>\n<footer>", escape_html(page.footer), "</footer></main><script>",
                    kScript, "</script></body></html>\n");
}

}  // namespace fovea
