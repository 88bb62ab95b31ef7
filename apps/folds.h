// Which folds of a store a command works on.
#pragma once

#include <string>
#include <vector>

#include "data/store.h"
#include "engine/train/config.h"

namespace fovea::apps {

// "<target>/<alignment>/fold<K>/<split>", as `fovea data adience` names its views.
[[nodiscard]] std::string fold_view(const TrainConfig& config, int fold, const std::string& split);

// "2" -> {2}; "all" -> every fold that has a test view of the config's target and alignment, in
// order. Error for anything else, or when there is none.
[[nodiscard]] std::vector<int> chosen_folds(const Store& store, const TrainConfig& config,
                                            const std::string& fold);

}  // namespace fovea::apps
