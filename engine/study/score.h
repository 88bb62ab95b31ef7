// Measures of snapshots: score_<N>.json beside snapshot N; of what a run keeps besides, averaged
// and best weights, and of its newest snapshots together; and the study's own result text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/study/plan.h"
#include "engine/train/evaluate.h"

namespace fovea::study {

using Confusion = std::vector<std::vector<std::int64_t>>;  // [true][predicted]

struct CropScore {
  double accuracy = 0, one_off = 0, mae = 0;
  Confusion confusion;

  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("accuracy", s.accuracy), v("one_off", s.one_off), v("mae", s.mae),
        v("confusion", s.confusion);
  }
};
[[nodiscard]] CropScore crop_score(const Evaluation& evaluation);

// What was scored: snapshot N; the average of the weights at N; the weights of the best evaluation;
// the mean of the probabilities of several snapshots up to N.
enum class Scored : int { kSnapshot, kAverage, kBest, kEnsemble };

// legacy_single is the one crop that the study's script takes: the lower right one, for it does not
// halve the margin.
struct SnapshotScore {
  std::int64_t iteration = 0, count = 0;
  std::string view;
  CropScore center, legacy_single, oversample;
  Scored weights = Scored::kSnapshot;
  int members = 1;  // snapshots that were asked together

  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("weights", s.weights), v("members", s.members);
    v("iteration", s.iteration), v("count", s.count), v("view", s.view), v("center", s.center),
        v("legacy_single", s.legacy_single), v("oversample", s.oversample);
  }
};

// score_<N>.json, score_average_<N>.json, score_best.json, score_ensemble_<N>.json.
[[nodiscard]] std::filesystem::path score_path(const std::filesystem::path& folder,
                                               std::int64_t iteration,
                                               Scored weights = Scored::kSnapshot);
void write_score(const std::filesystem::path& folder, const SnapshotScore& score);
// All scores of a kind in a job's folder, by iteration.
[[nodiscard]] std::vector<SnapshotScore> read_scores(const std::filesystem::path& folder,
                                                     Scored weights = Scored::kSnapshot);

// The scores of one model: [fold][snapshot], folds in the plan's order.
using ModelScores = std::vector<std::vector<SnapshotScore>>;
[[nodiscard]] ModelScores read_model_scores(const std::filesystem::path& study, const Plan& plan,
                                            const PlannedModel& model);
// The newest score of a kind of every fold; empty where a fold has none. The folds' iterations may
// differ: each has its own best.
[[nodiscard]] std::vector<SnapshotScore> newest_scores(const std::filesystem::path& study,
                                                       const Plan& plan, const PlannedModel& model,
                                                       Scored weights);
// Iterations that are scored on every fold, ascending.
[[nodiscard]] std::vector<std::int64_t> common_iterations(const ModelScores& scores);
// The scores of all folds at such an iteration.
[[nodiscard]] std::vector<SnapshotScore> scores_at(const ModelScores& scores,
                                                   std::int64_t iteration);

// results-<training>-vs-<test>/<model>_<iteration>.txt as the study's score_models.py writes it:
// "" for aligned, "_unaligned", "_mixed". A model that is not one of the study's counts as aligned
// or not by its config.
[[nodiscard]] std::filesystem::path result_text_path(const PlannedModel& model,
                                                     std::int64_t iteration);
// A line per fold, "fold0: {"acc": ..., "1off": ..., "acco": ..., "1offo": ...} ConfMats:
// {"confmat": ..., "confmato": ...}", then "all: " with "mean +- population std" in three digits
// and the summed matrices. acc is of the one crop, acco of the ten; matrices [prediction][label].
[[nodiscard]] std::string result_text(const std::vector<int>& folds,
                                      const std::vector<SnapshotScore>& scores);

}  // namespace fovea::study

namespace fovea {
template <>
inline constexpr EnumTable<study::Scored, 4> enum_names<study::Scored>{
    {{"snapshot", study::Scored::kSnapshot},
     {"average", study::Scored::kAverage},
     {"best", study::Scored::kBest},
     {"ensemble", study::Scored::kEnsemble}}};
}  // namespace fovea
