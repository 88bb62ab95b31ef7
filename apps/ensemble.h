// Snapshots of one net of one target that are asked together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/fold_evaluator.h"
#include "apps/resolve.h"

namespace fovea::apps {

// The files of one fold. Each of `weights` is a file, or the folder that `fovea train` wrote; of a
// folder (its fold<K>/ where there is one) those that `which` names: newest, best, average (of the
// newest), all. Error where one is not there, or named twice.
[[nodiscard]] std::vector<std::filesystem::path> snapshots_of(
    const std::vector<std::string>& weights, int fold, const std::vector<std::string>& which);

// A view through models one after the other, by several kinds of crops. Nets and means are kept
// from one model to the next as long as crop, scale and mean are the same.
class ModelEvaluator {
 public:
  // `store` must outlive this.
  ModelEvaluator(TrainConfig config, const Store& store, const View& view,
                 std::vector<Crops> crops);

  // Mean probabilities over each kind of crops, in the order given. A model that says its crop
  // or scale is fed with that, whatever the config says. Error where its classes are not those of
  // the models before it.
  [[nodiscard]] std::vector<Predictions> predict(const Model& model);

 private:
  void require_same_classes(const Model& model);
  void fit(const Model& model);

  TrainConfig config_;
  const Store& store_;
  const View& view_;
  std::vector<Crops> crops_;
  std::vector<std::unique_ptr<FoldEvaluator>> evaluators_;  // one per kind of crops
  Tensor<float> mean_;                                      // that they were made for
  std::int64_t crop_ = 0;
  float scale_ = 0;
  struct Known {
    std::string path;
    std::vector<std::string> classes;
  };
  std::optional<Known> known_;  // the first model that names its classes
};

}  // namespace fovea::apps
