#include "engine/study/score.h"

#include <algorithm>
#include <cmath>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/study/model_name.h"

namespace fovea::study {
namespace {

namespace fs = std::filesystem;

Confusion transposed(const Confusion& m) {
  Confusion t(m.size(), std::vector<std::int64_t>(m.size()));
  for (std::size_t i = 0; i < m.size(); ++i) {
    for (std::size_t k = 0; k < m.size(); ++k) t[k][i] = m[i][k];
  }
  return t;
}

// As Python's str(numpy.round(x, 3)) has it.
std::string three_digits(double value) { return Json(std::nearbyint(value * 1000) / 1000).dump(); }

std::string mean_and_std(const std::vector<SnapshotScore>& scores, auto value_of) {
  std::vector<double> values;
  for (const SnapshotScore& s : scores) values.push_back(value_of(s));
  const Spread over_folds = spread(values);
  return three_digits(over_folds.mean) + " +- " + three_digits(over_folds.std);
}

// Python's json.dumps puts blanks behind ',' and ':'.
std::string python_json(const Json& json) {
  std::string spaced;
  bool text = false;
  for (const char c : json.dump()) {
    text ^= c == '"';
    spaced += c;
    if (!text && (c == ',' || c == ':')) spaced += ' ';
  }
  return spaced;
}

Json matrices(const Confusion& single, const Confusion& oversample) {
  return {{"confmat", transposed(single)}, {"confmato", transposed(oversample)}};
}

std::string score_prefix(Scored weights) {
  switch (weights) {
    case Scored::kAverage:
      return "score_average_";
    case Scored::kBest:
      return "score_best";
    case Scored::kEnsemble:
      return "score_ensemble_";
    case Scored::kSnapshot:
      break;
  }
  return "score_";
}

}  // namespace

CropScore crop_score(const Evaluation& e) {
  return {.accuracy = e.accuracy, .one_off = e.one_off, .mae = e.mae, .confusion = e.confusion};
}

fs::path score_path(const fs::path& folder, std::int64_t iteration, Scored weights) {
  const std::string number = weights == Scored::kBest ? "" : str(iteration);
  return folder / (score_prefix(weights) + number + ".json");
}

void write_score(const fs::path& folder, const SnapshotScore& score) {
  write_file(score_path(folder, score.iteration, score.weights), write_json(score).dump() + "\n");
}

std::vector<SnapshotScore> read_scores(const fs::path& folder, Scored weights) {
  const std::string prefix = score_prefix(weights), extension = ".json";
  std::vector<SnapshotScore> scores;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(extension)) continue;
    const std::string number =
        name.substr(prefix.size(), name.size() - prefix.size() - extension.size());
    if (number.empty() != (weights == Scored::kBest) ||
        number.find_first_not_of("0123456789") != std::string::npos)
      continue;
    read_json(read_json_file(entry.path()), scores.emplace_back(), entry.path().string());
  }
  std::ranges::sort(scores, {}, &SnapshotScore::iteration);
  return scores;
}

ModelScores read_model_scores(const fs::path& study, const Plan& plan, const PlannedModel& model) {
  ModelScores scores;
  for (const int fold : plan.folds)
    scores.push_back(read_scores(job_folder(study, {.name = model.name, .fold = fold})));
  return scores;
}

std::vector<SnapshotScore> newest_scores(const fs::path& study, const Plan& plan,
                                         const PlannedModel& model, Scored weights) {
  std::vector<SnapshotScore> newest;
  for (const int fold : plan.folds) {
    const auto scores = read_scores(job_folder(study, {.name = model.name, .fold = fold}), weights);
    if (scores.empty()) return {};
    newest.push_back(scores.back());
  }
  return newest;
}

std::vector<std::int64_t> common_iterations(const ModelScores& scores) {
  std::vector<std::int64_t> common;
  if (scores.empty()) return common;
  for (const SnapshotScore& s : scores[0]) {
    const bool everywhere = std::ranges::all_of(scores, [&](const auto& fold) {
      return std::ranges::find(fold, s.iteration, &SnapshotScore::iteration) != fold.end();
    });
    if (everywhere) common.push_back(s.iteration);
  }
  return common;
}

std::vector<SnapshotScore> scores_at(const ModelScores& scores, std::int64_t iteration) {
  std::vector<SnapshotScore> at;
  for (const auto& fold : scores)
    at.push_back(*std::ranges::find(fold, iteration, &SnapshotScore::iteration));
  return at;
}

fs::path result_text_path(const PlannedModel& model, std::int64_t iteration) {
  const auto training = model.config.value("alignment", std::string("aligned"));
  const auto postfix = [](const std::string& alignment) {
    return alignment == "aligned" ? "" : str("_", alignment);
  };
  return fs::path(str("results-", postfix(training), "-vs-", postfix(test_alignment(training)))) /
         str(model.name, "_", iteration, ".txt");
}

std::string result_text(const std::vector<int>& folds, const std::vector<SnapshotScore>& scores) {
  expects(folds.size() == scores.size() && !folds.empty(), "one score per fold");
  std::string text;
  Confusion single = scores[0].legacy_single.confusion, ten = scores[0].oversample.confusion;
  for (std::size_t f = 0; f < folds.size(); ++f) {
    const SnapshotScore& s = scores[f];
    const Json values = {{"acc", s.legacy_single.accuracy},
                         {"1off", s.legacy_single.one_off},
                         {"acco", s.oversample.accuracy},
                         {"1offo", s.oversample.one_off}};
    text += str("fold", folds[f], ": ", python_json(values), " ConfMats: ",
                python_json(matrices(s.legacy_single.confusion, s.oversample.confusion)), "\n");
    for (std::size_t i = 0; f > 0 && i < single.size(); ++i) {
      for (std::size_t k = 0; k < single.size(); ++k)
        single[i][k] += s.legacy_single.confusion[i][k], ten[i][k] += s.oversample.confusion[i][k];
    }
  }
  const auto over_folds = [&](auto value_of) { return mean_and_std(scores, value_of); };
  const Json all = {
      {"acc", over_folds([](const SnapshotScore& s) { return s.legacy_single.accuracy; })},
      {"1off", over_folds([](const SnapshotScore& s) { return s.legacy_single.one_off; })},
      {"acco", over_folds([](const SnapshotScore& s) { return s.oversample.accuracy; })},
      {"1offo", over_folds([](const SnapshotScore& s) { return s.oversample.one_off; })}};
  return text + str("all: ", python_json(all), " ConfMats: ", python_json(matrices(single, ten)));
}

}  // namespace fovea::study
