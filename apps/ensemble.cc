#include "apps/ensemble.h"

#include <algorithm>

#include "engine/core/split_list.h"
#include "engine/train/snapshots.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

// The snapshots of a run's folder that `which` names.
std::vector<fs::path> in_folder(const fs::path& folder, const std::string& which) {
  if (which == "best") {
    require(fs::exists(best_path(folder)), "no best snapshot in ", folder.string(), ": ",
            best_path(folder).filename().string(),
            " is not there, expected a run with evaluation.keep_best");
    return {best_path(folder)};
  }
  if (which == "all") {
    std::vector<fs::path> files;
    for (const std::int64_t n : snapshot_iterations(folder))
      if (n > 0) files.push_back(snapshot_path(folder, n, ".safetensors"));
    require(!files.empty(), "no snapshot in ", folder.string(), ", expected iter_<N>.safetensors");
    return files;
  }
  const std::int64_t newest = newest_snapshot(folder);
  require(newest >= 0, "no snapshot in ", folder.string(),
          ", expected iter_<N>.safetensors with its .state");
  if (which == "newest") return {snapshot_path(folder, newest, ".safetensors")};
  require(fs::exists(average_path(folder, newest)), "no averaged weights in ", folder.string(),
          ": ", average_path(folder, newest).filename().string(),
          " is not there, expected a run with solver.ema");
  return {average_path(folder, newest)};
}

// Whether `fovea train` wrote folds there.
bool has_folds(const fs::path& folder) {
  const auto is_fold = [](const fs::directory_entry& entry) {
    return entry.is_directory() && entry.path().filename().string().starts_with("fold");
  };
  return std::ranges::any_of(fs::directory_iterator(folder), is_fold);
}

}  // namespace

std::vector<fs::path> snapshots_of(const std::vector<std::string>& weights, int fold,
                                   const std::vector<std::string>& which) {
  std::vector<fs::path> files;
  const auto add = [&](const fs::path& file) {
    const fs::path same = fs::weakly_canonical(file);
    require(
        std::ranges::find(files, same, [](const fs::path& f) { return fs::weakly_canonical(f); }) ==
            files.end(),
        "snapshot ", file.string(), " is named twice by --weights and --snapshot, expected once");
    files.push_back(file);
  };
  for (const fs::path place : weights) {
    if (!fs::is_directory(place)) {
      add(place);
      continue;
    }
    const fs::path inner = place / str("fold", fold);
    require(fs::exists(inner) || !has_folds(place), "no fold", fold, " in ", place.string(),
            ", expected what `fovea train --fold ", fold, "` writes there");
    const fs::path folder = fs::exists(inner) ? inner : place;
    for (const std::string& name : which)
      for (const fs::path& file : in_folder(folder, name)) add(file);
  }
  return files;
}

ModelEvaluator::ModelEvaluator(TrainConfig config, const Store& store, const View& view,
                               std::vector<Crops> crops)
    : config_(std::move(config)), store_(store), view_(view), crops_(std::move(crops)) {}

std::vector<Predictions> ModelEvaluator::predict(const Model& model) {
  require_same_classes(model);
  fit(model);
  std::vector<Predictions> predictions;
  for (const auto& evaluator : evaluators_)
    predictions.push_back(evaluator->predict(model.file, model.path));
  return predictions;
}

void ModelEvaluator::require_same_classes(const Model& model) {
  if (model.classes.empty()) return;
  if (!known_) known_ = {model.path, model.classes};
  require(model.classes == known_->classes, "wrong classes in ", model.path, ": ",
          join_list(model.classes), ", expected ", join_list(known_->classes), " as in ",
          known_->path);
}

void ModelEvaluator::fit(const Model& model) {
  TrainConfig config = config_;
  if (model.crop > 0) config.data.crop = model.crop;
  if (model.file.metadata.contains("scale")) config.data.scale = model.scale;
  if (!evaluators_.empty() && config.data.crop == crop_ && config.data.scale == scale_ &&
      model.mean.shape == mean_.shape && model.mean.values == mean_.values)
    return;
  evaluators_.clear();
  crop_ = config.data.crop, scale_ = config.data.scale, mean_ = model.mean;
  for (const Crops crops : crops_)
    evaluators_.push_back(std::make_unique<FoldEvaluator>(
        config, store_, view_, FoldEvaluatorOptions{.mean = mean_, .crops = crops}));
}

}  // namespace fovea::apps
