#include "engine/backend/autotune.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>

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

// An operation with memory of its own.
class Trial {
 public:
  Trial(Device& device, const OpProblem& problem, const Implementation& implementation)
      : device_(device), op_(implementation.create(problem)), training_(problem.training) {
    OpBinding binding{.device = &device_};
    binding.counters = reinterpret_cast<const StepCounters*>(zeros(sizeof(StepCounters)));
    for (std::size_t i = 0; i < problem.bottoms.size(); ++i) {
      const Layout layout = op_->bottom_layout(i);
      binding.bottoms.push_back(tensor(problem.bottoms[i], layout));
      binding.bottom_grads.push_back(problem.training && problem.propagate[i]
                                         ? tensor(problem.bottoms[i], layout)
                                         : OpTensor{nullptr, problem.bottoms[i], layout});
    }
    for (std::size_t i = 0; i < problem.tops.size(); ++i) {
      const Layout layout = op_->top_layout(i);
      binding.tops.push_back(tensor(problem.tops[i], layout));
      binding.top_grads.push_back(problem.training ? tensor(problem.tops[i], layout)
                                                   : OpTensor{nullptr, problem.tops[i], layout});
    }
    for (std::size_t k = 0; k < parameters(problem); ++k) {
      const auto count = static_cast<std::size_t>(op_->param_storage(k));
      binding.params.push_back(values(count));
      binding.param_grads.push_back(problem.training ? values(count) : nullptr);
    }
    binding.state = zeros(op_->state_bytes());
    binding.scratch = zeros(op_->scratch_bytes());
    op_->bind(binding);
    op_->params_changed();
  }

  // The shortest of five runs, after one that is not counted.
  [[nodiscard]] double seconds() const {
    const auto step = [this] {
      op_->forward(0);
      if (training_) op_->backward(0);
    };
    return std::ranges::min(device_.time(step, 5, false));
  }

 private:
  static std::size_t parameters(const OpProblem& problem) {
    return std::visit(
        [](const auto& p) -> std::size_t {
          if constexpr (requires { p.bias; }) return p.bias ? 2 : 1;
          return 0;
        },
        problem.params);
  }
  std::byte* zeros(std::size_t bytes) { return buffers_.emplace_back(device_, bytes + 1).data(); }
  float* values(std::size_t floats) {
    std::vector<float> random(floats);
    for (std::size_t i = 0; i < floats; ++i)
      random[i] = static_cast<float>(i * 2654435761U % 1024) / 1024.0F - 0.3F;
    std::byte* memory = zeros(floats * sizeof(float));
    device_.upload(memory, random.data(), floats * sizeof(float));
    return reinterpret_cast<float*>(memory);
  }
  OpTensor tensor(const Shape& shape, Layout layout) {
    return {values(static_cast<std::size_t>(storage_count(shape, layout))), shape, layout};
  }

  Device& device_;
  std::vector<DeviceBuffer<std::byte>> buffers_;
  std::unique_ptr<Op> op_;
  bool training_;
};

}  // namespace

const Implementation* fastest(const TunedDevice& tuned, const OpProblem& problem,
                              std::span<const Implementation* const> candidates) {
  const std::shared_ptr<Device> device = open_device(tuned.name);
  const std::string key = key_of(tuned, *device, problem);
  Json picks = read_cache();
  const std::string kept = picks.value(key, "");
  for (const Implementation* candidate : candidates) {
    if (candidate->name == kept) return candidate;
  }
  const Implementation* best = candidates[0];
  double shortest = std::numeric_limits<double>::infinity();
  for (const Implementation* candidate : candidates) {
    const double seconds = Trial(*device, problem, *candidate).seconds();
    if (seconds < shortest) best = candidate, shortest = seconds;
  }
  picks[key] = best->name;
  write_cache(picks);
  return best;
}

}  // namespace fovea
