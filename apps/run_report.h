// What reports tell about one training run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/resolve.h"
#include "data/report_page.h"
#include "data/store.h"
#include "data/transform.h"
#include "engine/core/json.h"
#include "engine/train/config.h"

namespace fovea::apps {

// The first line of the log in the folder of a run, and its (iteration, loss).
[[nodiscard]] Json run_description(const std::filesystem::path& folder);
[[nodiscard]] std::vector<ChartPoint> loss_curve(const std::filesystem::path& folder);

// What the model does to pixels.
[[nodiscard]] TransformParams seen_by(const Model& model, const TrainConfig& config);

// Faces spread evenly over the view, which is ordered by subject: the centre crop, the predicted
// class and its probability, and the relevance of pixels for it by `rule`.
[[nodiscard]] std::vector<ReportFace> explained_faces(const Store& store, const View& view,
                                                      const Model& model, const TrainConfig& config,
                                                      const std::string& rule, int count);

}  // namespace fovea::apps
