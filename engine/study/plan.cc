#include "engine/study/plan.h"

#include "engine/core/file.h"
#include "engine/core/json_fields.h"

namespace fovea::study {
namespace {

namespace fs = std::filesystem;

std::string names_of(const std::vector<PlannedModel>& models) {
  std::string list;
  for (const PlannedModel& m : models) list += str(list.empty() ? "" : ",", m.name);
  return list;
}

// The first place where two configs differ, "solver.base_lr: 0.1"; "" where they do not.
std::string first_difference(const Json& planned, const Json& asked, const std::string& path = "") {
  if (planned == asked) return "";
  if (!planned.is_object() || !asked.is_object()) return str(path, ": ", asked.dump());
  for (const auto& [key, value] : asked.items()) {
    const std::string inner = path.empty() ? key : path + "." + key;
    if (!planned.contains(key)) return str(inner, ": ", value.dump());
    std::string found = first_difference(planned[key], value, inner);
    if (!found.empty()) return found;
  }
  return path;
}

template <class T>
void require_equal(const fs::path& study, const char* what, const T& planned, const T& asked) {
  if (asked == T{} || asked == planned) return;
  throw Error(str("another study in ", plan_path(study).string(), ": asked for ", what, " ",
                  Json(asked).dump(), ", expected ", Json(planned).dump(),
                  " (`study run DIR` alone goes on with it; a new folder takes a new one)"));
}

}  // namespace

std::vector<Job> jobs_of(const Plan& plan) {
  std::vector<Job> jobs;
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    const Json& solver = plan.models[m].config.at("solver");
    for (const int fold : plan.folds) {
      jobs.push_back({.model = m,
                      .name = plan.models[m].name,
                      .fold = fold,
                      .max_iter = solver.at("max_iter").get<std::int64_t>(),
                      .images_per_iteration =
                          plan.models[m].config.at("data").at("batch").get<std::int64_t>() *
                          solver.at("iter_size").get<std::int64_t>()});
    }
  }
  return jobs;
}

fs::path plan_path(const fs::path& study) { return study / "study.json"; }

fs::path config_path(const fs::path& study, const std::string& model) {
  return study / model / "config.json";
}

fs::path job_folder(const fs::path& study, const Job& job) {
  return study / job.name / str("fold", job.fold);
}

Plan read_plan(const fs::path& study) {
  const fs::path file = plan_path(study);
  require(fs::exists(file), "no study in ", study.string(),
          ": it has no study.json, expected a folder that `fovea study run` made");
  Plan plan;
  read_json(read_json_file(file), plan, file.string());
  require(plan.format == 1, "wrong value in ", file.string(), ".format: ", plan.format,
          ", expected 1");
  return plan;
}

void write_plan(const fs::path& study, const Plan& plan) {
  for (const Job& job : jobs_of(plan)) fs::create_directories(job_folder(study, job));
  for (const PlannedModel& model : plan.models)
    write_file(config_path(study, model.name), model.config.dump(2) + "\n");
  write_file(plan_path(study), write_json(plan).dump(2) + "\n", /*overwrite=*/false);
}

void require_same(const Plan& plan, const Request& request, const fs::path& study) {
  require_equal(study, "store", plan.store, request.store);
  require_equal(study, "folds", plan.folds, request.folds);
  require_equal(study, "settings", plan.settings, request.settings);
  require_equal(study, "device", plan.device, request.device);
  require_equal(study, "precision", plan.precision, request.precision);
  require_equal(study, "engine", plan.engine, request.engine);
  require_equal(study, "threads of a job", plan.threads, request.threads);
  for (const PlannedModel& model : plan.models) {
    require_equal(study, "max_iter", model.config.at("solver").at("max_iter").get<std::int64_t>(),
                  request.max_iter);
    if (!request.seed) continue;
    const auto seed = model.config.at("seed").get<std::uint64_t>();
    require(seed == *request.seed, "another study in ", plan_path(study).string(),
            ": asked for seed ", *request.seed, ", expected ", seed);
  }
  if (request.models.empty()) return;
  require_equal(study, "configs", names_of(plan.models), names_of(request.models));
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    const std::string change =
        first_difference(plan.models[m].config, request.models[m].config, plan.models[m].name);
    require(change.empty(), "another study in ", plan_path(study).string(), ": asked for ", change,
            ", expected the config that it began with (`study run DIR` alone goes on with it)");
  }
}

}  // namespace fovea::study
