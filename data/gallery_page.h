// One self-contained HTML page of explained images, with filters: works from disk, asks for
// nothing.
//
// Cards hold the image and its heatmaps; a script in the page shows those whose true class,
// predicted class, rightness and probability the controls above ask for. The number shown stands in
// <output id="shown">; a card that is left out has the attribute `hidden`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/report_page.h"

namespace fovea {

struct GalleryImage {
  std::string name;
  std::string truth;  // class name; empty: unknown
  std::string predicted, target;
  double probability = 0;       // of the predicted class
  Image image;                  // no pixels: there is none
  std::vector<Image> heatmaps;  // one per rule of the page
};

struct GalleryPage {
  std::string title, lead;
  std::vector<ReportFact> facts;
  std::vector<std::string> rules;  // what made each heatmap
  std::string colormap{kDefaultColormap};
  std::vector<GalleryImage> images;
  std::string footer;
};

// Error when an image has not a heatmap per rule.
[[nodiscard]] std::string gallery_html(const GalleryPage& page);

}  // namespace fovea
