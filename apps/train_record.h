// What a training run writes down of itself.
#pragma once

#include <filesystem>

#include "data/store.h"
#include "engine/core/json.h"
#include "engine/graph/executor.h"
#include "engine/io/weights.h"
#include "engine/parallel/communicator.h"
#include "engine/train/config.h"

namespace fovea::apps {

// What a snapshot carries besides weights: enough to run it with the right preprocessing.
[[nodiscard]] WeightFile model_of(const TrainConfig& config, const std::filesystem::path& net_file,
                                  const LabelColumn& column, Tensor<float> mean);

// What bit-equal results must agree in.
[[nodiscard]] Json computation_of(const Executor& executor, const ExecutorOptions& execution,
                                  const Communicator& ranks);

// First line of log.jsonl.
[[nodiscard]] Json description_of(const TrainConfig& config, const std::filesystem::path& store,
                                  const View& view, int fold, const std::string& device,
                                  const Communicator& ranks);

// Error that names the first difference, unless the run in `folder` began with this config: it may
// become longer, and be written, shown and evaluated otherwise, but not compute anything else.
void require_resumable(const TrainConfig& config, const std::filesystem::path& folder);

}  // namespace fovea::apps
