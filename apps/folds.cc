#include "apps/folds.h"

#include <algorithm>

namespace fovea::apps {

std::string fold_view(const TrainConfig& config, int fold, const std::string& split) {
  return str(config.target, "/", config.alignment, "/fold", fold, "/", split);
}

std::vector<int> chosen_folds(const Store& store, const TrainConfig& config,
                              const std::string& fold) {
  if (fold != "all") {
    const bool number = !fold.empty() && fold.size() < 4 &&
                        fold.find_first_not_of("0123456789") == std::string::npos;
    require(number, "wrong --fold: '", fold, "', expected a number or all");
    return {std::stoi(fold)};
  }
  const auto exists = [&](int k) {
    const std::string name = fold_view(config, k, "test");
    return std::ranges::any_of(store.views(), [&](const View& v) { return v.name == name; });
  };
  std::vector<int> folds;
  while (exists(static_cast<int>(folds.size()))) folds.push_back(static_cast<int>(folds.size()));
  require(!folds.empty(), "no folds in ", store.path().string(), ": no view ",
          fold_view(config, 0, "test"), ", expected one per fold");
  return folds;
}

}  // namespace fovea::apps
