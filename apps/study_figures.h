// Figures of a study's scores, for `plots` and `report`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/line_chart.h"
#include "engine/study/plan.h"
#include "engine/study/score.h"

namespace fovea::apps {

struct StudyFigure {
  std::string name, title;  // of the file, without extension; "CaffeNet"
  Drawing drawing;
};
// One per net of which there are scores, and one of the models that are not the study's.
[[nodiscard]] std::vector<StudyFigure> study_figures(const std::filesystem::path& study,
                                                     const study::Plan& plan);

// (iteration, mean accuracy of ten crops over the folds).
[[nodiscard]] std::vector<ChartPoint> accuracy_curve(const study::ModelScores& scores);

}  // namespace fovea::apps
