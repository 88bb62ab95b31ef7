#include "engine/backend/autotune.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "engine/backend/op_trial.h"
#include "engine/backend/registry.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "kernels/cpu/isa.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

fs::path cache_file() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  const fs::path folder =
      cache && *cache ? fs::path(cache) : fs::path(home ? home : ".") / ".cache";
  return folder / "fovea" / "implementations.json";
}

// A file that is not there, or no longer JSON, is an empty one: it holds nothing but measurements.
Json read_cache() {
  try {
    Json picks = read_json_file(cache_file());
    if (picks.is_object()) return picks;
  } catch (const Error&) {
  }
  return Json::object();
}

// Without a place to keep it, the pick holds for this run.
void write_cache(const Json& picks) {
  try {
    std::error_code ignored;
    fs::create_directories(cache_file().parent_path(), ignored);
    write_file(cache_file(), picks.dump(1) + "\n");
  } catch (const Error&) {
  }
}

// On the host by what its processor and its threads are, on a device by what that is.
std::string key_of(const TunedDevice& tuned, Device& device, const OpProblem& problem) {
  std::string key = str(tuned.name, ", ");
  if (device.host_memory()) {
    key += str(cpu::arithmetic_description(), ", ", omp_get_max_threads(), " threads");
  } else {
    key += device.description();
    if (!tuned.libraries.empty()) key += str(", ", tuned.libraries);
  }
  key += str(", ", enum_name(problem.precision), ": ");
  key += std::visit(
      [&](const auto& p) { return str(problem.params.index(), " ", write_json(p).dump()); },
      problem.params);
  for (std::size_t i = 0; i < problem.bottoms.size(); ++i)
    key += str(" ", problem.bottoms[i], " ", layout_name(problem.bottom_layouts[i]),
               problem.propagate[i] ? "" : " without gradient");
  if (problem.fused_relu) key += str(", relu ", problem.relu_slope);
  if (problem.exact_zeros) key += ", exact zeros";
  return key + (problem.training ? ", training" : "");
}

// The shortest of five runs, forward and backward, after one that is not counted.
double seconds_of(const OpTrial& trial) {
  const auto step = [&trial] {
    trial.forward();
    if (trial.training()) trial.backward();
  };
  return std::ranges::min(trial.device().time(step, 5, false));
}

}  // namespace

const Implementation* fastest(const TunedDevice& tuned, const OpProblem& problem,
                              std::span<const Implementation* const> candidates) {
  const std::shared_ptr<Device> device = open_device(tuned.name);
  const UseDevice use(*device);
  const std::string key = key_of(tuned, *device, problem);
  Json picks = read_cache();
  const std::string kept = picks.value(key, "");
  for (const Implementation* candidate : candidates) {
    if (candidate->name == kept) return candidate;
  }
  const Implementation* best = candidates[0];
  double shortest = std::numeric_limits<double>::infinity();
  for (const Implementation* candidate : candidates) {
    const double seconds = seconds_of(OpTrial(*device, problem, candidate->create(problem)));
    if (seconds < shortest) best = candidate, shortest = seconds;
  }
  picks[key] = best->name;
  write_cache(picks);
  return best;
}

}  // namespace fovea
