// The study's figures: accuracy over training iterations, one figure per net, a panel per target, a
// line per alignment of the training images and start of the weights.
#pragma once

#include <string>
#include <vector>

#include "data/line_chart.h"

namespace fovea {

struct StudyCurve {
  std::string label;               // "[i,n]"
  std::string alignment;           // aligned | unaligned | mixed: the colour
  std::string start;               // fromscratch (faint) | finetuning | imdbwiki (dashed)
  std::vector<ChartPoint> points;  // (iteration, share right)
};

struct StudyPanel {
  std::string title;
  std::vector<StudyCurve> curves;
  std::vector<ChartReference> references;  // results of others
};

// The panels side by side, a legend below.
[[nodiscard]] Drawing study_figure(const std::vector<StudyPanel>& panels);

}  // namespace fovea
