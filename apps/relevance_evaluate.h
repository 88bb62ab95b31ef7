// What `fovea relevance evaluate` makes of its measurements: a table, JSON, CSV and charts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "engine/relevance/lab/evaluation.h"

namespace fovea::apps {

struct EvaluationReport {
  std::string title;       // "gender/aligned/fold0/test, 600 images"
  Json facts;              // what was evaluated and how; leads the JSON
  double mask_share = -1;  // -1: no masks
  std::vector<lab::Evaluation> rules;
};

[[nodiscard]] Json to_json(const EvaluationReport& report);
void print_table(const EvaluationReport& report);
// OUT/evaluation.json, curves.csv and curves-*.{svg,png}, randomization.{csv,svg,png}, images.csv:
// those that there is something for. `names`: of the images.
void write_files(const EvaluationReport& report, const std::vector<std::string>& names,
                 const std::filesystem::path& out);

}  // namespace fovea::apps
