// One self-contained HTML page about a training run: facts, loss curve, scores, confusion matrix
// and explained faces. Style, charts and pictures are inside the file; it asks for nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/colormap.h"
#include "data/image.h"
#include "data/line_chart.h"

namespace fovea {

struct ReportFact {
  std::string label, value;  // "Device", "cpu (oneDNN), 2 threads"
};

// A test face and why it was classified as it was.
struct ReportFace {
  std::string name;              // a caption's small print, e.g. the file name
  std::string truth, predicted;  // class names
  double score = 0;              // probability of the predicted class, 0..1
  Image image, heatmap, overlay;
};

// One trained net on one target: "Age", "Gender".
struct ReportTask {
  std::string title;
  std::string summary;                                 // one sentence under the title
  std::vector<ReportFact> facts;                       // iterations, time, images per second ...
  std::vector<ChartPoint> loss;                        // (iteration, training loss), in order
  std::vector<ChartPoint> accuracy;                    // (iteration, share right); may be empty
  std::string accuracy_title = "Validation accuracy";  // of what that is

  std::vector<std::string> classes;
  // confusion[true][predicted]: counts, as `fovea eval` gives them. Accuracy, 1-off accuracy and
  // recall are computed from it.
  std::vector<std::vector<std::int64_t>> confusion;
  bool ordered = false;  // neighbouring classes are alike: 1-off and mean error make sense
  double accuracy_oversampled = -1;  // shown where it is >= 0
  std::vector<ReportFace> faces;
};

struct ReportPage {
  std::string title, lead;
  std::vector<ReportFact> facts;  // data set, seed, device, total time ...
  std::string command;            // what repeats the run
  std::string top = {};           // HTML in place of the tiles, where there is any
  std::vector<ReportTask> tasks;
  std::string colormap{kDefaultColormap};  // of the heatmaps, for the legend
  std::string footer;                      // version, date
};

// Shares of the faces counted in a confusion matrix; all 0 when it counts none.
struct ReportScores {
  std::int64_t count = 0;
  double accuracy = 0, one_off = 0, mean_error = 0;
  std::vector<double> recall;  // per true class
  double majority = 0;         // share of the most frequent true class: the best blind guess
};
[[nodiscard]] ReportScores scores_of(const std::vector<std::vector<std::int64_t>>& confusion);

[[nodiscard]] std::string report_html(const ReportPage& page);
// Error when `path` cannot be written, or exists and `overwrite` is false.
void write_report_page(const ReportPage& page, const std::filesystem::path& path, bool overwrite);

}  // namespace fovea
