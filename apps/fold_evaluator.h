// A view of a store through the deploy net of a config: what `fovea eval` and evaluation during
// training share.
#pragma once

#include <string>

#include "data/batch_source.h"
#include "data/feed.h"
#include "engine/graph/executor.h"
#include "engine/io/safetensors.h"
#include "engine/train/config.h"
#include "engine/train/evaluate.h"

namespace fovea::apps {

struct FoldEvaluatorOptions {
  Tensor<float> mean;  // of the model
  Crops crops = Crops::kCentre;
  std::int64_t limit = 0;     // records, drawn once by the config's seed; 0: the whole view
  bool host_batches = false;  // else streamed to a device that can cut them (data/feed.h)
};

class FoldEvaluator {
 public:
  // The crop is config.data.crop. `store` must outlive this.
  FoldEvaluator(const TrainConfig& config, const Store& store, const View& view,
                FoldEvaluatorOptions options);

  // Mean class probabilities over the crops of every record. The model needs every parameter of the
  // main head; `name` is what an error calls it.
  [[nodiscard]] Predictions predict(const WeightFile& model, const std::string& name);

 private:
  const Store& store_;
  BatchSource source_;
  FeedKind feed_;
  Executor executor_;
  std::int64_t count_;
};

}  // namespace fovea::apps
