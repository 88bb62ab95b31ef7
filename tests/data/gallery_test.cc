#include "data/gallery_page.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "data/html.h"
#include "engine/core/file.h"
#include "tests/data/sample_store.h"
#include "tests/support/browser.h"

namespace fovea {
namespace {

// Three images: one right, one wrong, one whose class nobody knows; two rules.
GalleryPage sample_page() {
  const Image dark{2, 2, 3, std::vector<std::uint8_t>(12, 30)};
  const Image map{2, 2, 3, std::vector<std::uint8_t>(12, 200)};
  GalleryPage page{
      .title = "Gallery <1>", .lead = "Three", .rules = {"study", "epsilon"}, .images = {}};
  const auto add = [&](const char* name, const char* truth, const char* predicted, double p) {
    GalleryImage image;
    image.name = name, image.truth = truth, image.predicted = image.target = predicted;
    image.probability = p, image.heatmaps = {map, map};
    if (!image.truth.empty()) image.image = dark;
    page.images.push_back(image);
  };
  add("a", "f", "f", 0.9), add("b", "m", "f", 0.6), add("c", "", "m", 0.5);
  return page;
}

TEST(Gallery, PageHoldsEveryPictureAndNothingFromOutside) {
  const std::string html = gallery_html(sample_page());
  EXPECT_EQ(count_of(html, "src=\"data:image/png;base64,"), 8U);  // two images, six heatmaps
  EXPECT_EQ(count_of(html, "src=\""), 8U);
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_NE(html.find("Gallery &lt;1&gt;"), std::string::npos);
  EXPECT_EQ(count_of(html, "data-result=\"correct\""), 1U);
  EXPECT_EQ(count_of(html, "data-result=\"wrong\""), 1U);
}

TEST(Gallery, AMissingHeatmapIsAnError) {
  GalleryPage page = sample_page();
  page.images[1].heatmaps.pop_back();
  EXPECT_NE(
      message_of([&] { (void)gallery_html(page); }).find("image b: 1, expected one per rule (2)"),
      std::string::npos);
}

TEST(Gallery, FiltersWorkInABrowserFromDisk) {
  if (!has_browser()) GTEST_SKIP() << "no chromium; scripts/setup --dev installs it";
  const TemporaryFolder folder;
  // A probe at the end writes down what the browser made of the pictures.
  std::string html = gallery_html(sample_page());
  html.insert(html.find("</body>"),
              "<p id=\"probe\"></p><script>addEventListener('load', () => { "
              "document.getElementById('probe').textContent = 'decoded ' + "
              "[...document.images].filter(i => i.naturalWidth === 2).length; });</script>");
  write_input(folder / "gallery.html", html);
  const std::string all = browsed(folder / "gallery.html");
  EXPECT_NE(all.find("id=\"shown\">3 of 3<"), std::string::npos);
  EXPECT_NE(all.find("decoded 8"), std::string::npos);
  const auto hidden = [&](const std::string& place) {
    return count_of(browsed(folder / "gallery.html", place), "hidden=\"\"");
  };
  EXPECT_EQ(hidden(""), 0U);
  EXPECT_EQ(hidden("#result=wrong"), 2U);
  EXPECT_EQ(hidden("#truth=f&predicted=f"), 2U);
  EXPECT_EQ(hidden("#least=70"), 2U);
  EXPECT_EQ(hidden("#most=55"), 2U);
}

}  // namespace
}  // namespace fovea
