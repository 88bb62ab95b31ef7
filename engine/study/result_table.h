// The result table of Lapuschkin et al. 2017 with our numbers beside the paper's: per target, rows
// [i,.] to [m,w], columns the four nets; accuracy of ten crops in per cent, for age with the 1-off
// accuracy.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/study/plan.h"
#include "engine/study/score.h"
#include "engine/train/evaluate.h"

namespace fovea::study {

// What the paper says about a model, in per cent; one_off for age only.
struct PaperNumber {
  std::string model;
  double accuracy = 0, one_off = 0;

  template <class Self, class V>
  static void visit(Self& n, V&& v) {
    v("model", n.model), v("accuracy", n.accuracy), v("one_off", n.one_off);
  }
};
struct PaperResults {
  std::string source;
  std::vector<PaperNumber> results;

  template <class Self, class V>
  static void visit(Self& r, V&& v) {
    v("source", r.source), v("results", r.results);
  }
};
[[nodiscard]] PaperResults read_paper_results(const std::filesystem::path& file);

// Our result of a model: the newest snapshot that is scored on every fold.
struct ModelResult {
  std::string model, target;
  std::int64_t iteration = 0, max_iter = 0;
  std::size_t folds = 0;
  Spread accuracy, one_off;  // per cent, over the folds
  Confusion confusion;       // of ten crops, summed over the folds
};
// Nothing where there is none.
[[nodiscard]] std::optional<ModelResult> result_of(const Plan& plan, const PlannedModel& model,
                                                   const ModelScores& scores);

struct TableCell {
  std::string model;  // the study's name of it; "" where it has no such model
  std::optional<ModelResult> ours;
  std::optional<PaperNumber> paper;
};
struct TableRow {
  std::string label;             // "[i,n]"
  std::vector<TableCell> cells;  // by kNets
};
struct ResultTable {
  std::string target;
  std::vector<TableRow> rows;
};
// Rows in which neither we nor the paper have a number are left out.
[[nodiscard]] ResultTable result_table(const std::string& target,
                                       const std::vector<ModelResult>& results,
                                       const PaperResults& paper);

// "79.7 +- 1.2 (97.8 +- 0.4)", "51.4 (87.0)", "+28.3 (+10.8)"; "" where there is none.
[[nodiscard]] std::string ours_text(const TableCell& cell);
[[nodiscard]] std::string paper_text(const TableCell& cell);
[[nodiscard]] std::string difference_text(const TableCell& cell);

[[nodiscard]] std::string table_markdown(const std::vector<ResultTable>& tables,
                                         const std::vector<ModelResult>& results,
                                         const PaperResults& paper);
// A line per model: what was measured, unrounded, and the paper's numbers.
[[nodiscard]] std::string table_csv(const std::vector<ModelResult>& results,
                                    const PaperResults& paper);

}  // namespace fovea::study
