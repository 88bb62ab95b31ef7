#include "apps/train_record.h"

#include <omp.h>

#include <algorithm>
#include <string_view>

#include "apps/common.h"
#include "apps/train_ranks.h"
#include "engine/core/json_fields.h"
#include "kernels/cpu/isa.h"

namespace fovea::apps {

namespace fs = std::filesystem;

WeightFile model_of(const TrainConfig& config, const fs::path& net_file, const LabelColumn& column,
                    Tensor<float> mean) {
  Json parameters = config.parameters;
  parameters["classes"] = column.classes.size();
  WeightFile model;
  model.metadata = {{"classes", Json(column.classes).dump()}, {"target", config.target},
                    {"alignment", config.alignment},          {"crop", str(config.data.crop)},
                    {"scale", str(config.data.scale)},        {"channel_order", "BGR"},
                    {"net_parameters", parameters.dump()}};
  if (net_file.extension() == ".json") model.metadata["net"] = read_json_file(net_file).dump();
  model.tensors.emplace_back("__mean__", std::move(mean));
  return model;
}

void require_resumable(const TrainConfig& config, const fs::path& folder) {
  const fs::path file = folder / "config.json";
  if (!fs::exists(file)) return;
  const Json begun = read_json_file(file), now = write_json(config);
  constexpr std::string_view kFree[] = {"/solver/max_iter",  "/solver/snapshot", "/solver/display",
                                        "/solver/keep_last", "/evaluation/",     "/data/workers",
                                        "/data/prefetch"};
  for (const Json& change : Json::diff(begun, now)) {
    const auto path = change["path"].get<std::string>();
    const auto free = [&](std::string_view key) { return path.starts_with(key); };
    if (std::ranges::any_of(kFree, free)) continue;
    const Json::json_pointer at(path);
    const auto value_in = [&](const Json& of) {
      return of.contains(at) ? of[at].dump() : std::string("none");
    };
    throw Error(str("another config than the run's in ", file.string(), ":", path.substr(1), ": ",
                    value_in(now), ", expected ", value_in(begun),
                    " as it began with (--force resumes anyway)"));
  }
}

Json computation_of(const Executor& executor, const ExecutorOptions& execution,
                    const Communicator& ranks) {
  // What was measured to be the fastest decides the bits: a resumed run must have the same.
  std::string measured;
  if (execution.engine == EngineChoice::kAuto) {
    for (const StepInfo& step : executor.steps()) measured += step.implementation + " ";
  }
  return {{"device", common_device(execution.device, ranks)},
          {"precision", common().precision},
          {"engine", common().engine},
          {"measured", measured},
          {"threads", omp_get_max_threads()},
          {"arithmetic", cpu::arithmetic_description()},
          {"ranks", ranks.size()}};
}

Json description_of(const TrainConfig& config, const fs::path& store, const View& view, int fold,
                    const std::string& device, const Communicator& ranks) {
  return {{"net", config.net},
          {"view", view.name},
          {"store", store.filename().string()},
          {"fold", fold},
          {"seed", config.seed},
          {"device", device},
          {"precision", common().precision},
          {"engine", common().engine},
          {"threads", omp_get_max_threads()},
          {"ranks", ranks.size()}};
}

}  // namespace fovea::apps
