#include "engine/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/core/file.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

fs::path snapshot_path(const fs::path& folder, std::int64_t iteration, const char* extension) {
  return folder / str("iter_", iteration, extension);
}

double batch_accuracy(const Tensor<float>& scores, std::span<const float> labels) {
  const std::int64_t classes = scores.shape.c();
  int right = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const float* row = scores.values.data() + static_cast<std::int64_t>(n) * classes;
    right +=
        std::max_element(row, row + classes) - row == static_cast<std::int64_t>(labels[n]) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

class Run {
 public:
  Run(Executor& executor, const TrainOptions& options, const LoadBatch& load)
      : executor_(executor),
        options_(options),
        load_(load),
        solver_(executor, options.solver),
        resumed_at_(options.resume ? restore() : 0),
        log_(options.folder, options.description, resumed_at_) {}

  std::int64_t go() {
    const SolverParams& p = options_.solver;
    const double images = static_cast<double>(executor_.input("data").shape.n() * p.iter_size);
    auto since = Clock::now();
    std::int64_t counted = 0;
    while (solver_.iteration() < p.max_iter && !stopped()) {
      const double loss =
          solver_.step([&](std::int64_t sub) { load_(solver_.iteration() * p.iter_size + sub); });
      const std::int64_t done = solver_.iteration();
      require(std::isfinite(loss), "training diverged at iteration ", done, ": the loss is ", loss,
              "; a smaller base_lr may help");
      ++counted;
      if (options_.tick) options_.tick(done, loss);
      if (p.display > 0 && (done % p.display == 0 || done == p.max_iter)) {
        const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
        const double accuracy =
            batch_accuracy(executor_.blob(options_.scores), executor_.input("label").span());
        const TrainProgress progress{done,
                                     p.max_iter,
                                     loss,
                                     accuracy,
                                     images * static_cast<double>(counted) / seconds,
                                     solver_.last_rate()};
        log_.add(progress);
        if (options_.report) options_.report(progress);
        since = Clock::now(), counted = 0;
      }
      if (p.snapshot > 0 && done % p.snapshot == 0) snapshot();
    }
    if (last_snapshot_ != solver_.iteration()) snapshot();
    return solver_.iteration();
  }

 private:
  [[nodiscard]] bool stopped() const { return options_.stop && options_.stop->load(); }

  // State first: a snapshot counts only when its weights are there too.
  void snapshot() {
    const std::int64_t iteration = solver_.iteration();
    WeightFile state{
        .tensors = {},
        .metadata = {{"iteration", str(iteration)}, {"made_with", options_.made_with.dump()}}};
    for (std::size_t k = 0; k < executor_.param_count(); ++k) {
      state.tensors.emplace_back(executor_.param_info(k).name,
                                 Tensor<float>(executor_.param_info(k).shape, solver_.history(k)));
    }
    const fs::path state_file = snapshot_path(options_.folder, iteration, ".state");
    write_safetensors(state_file, state);
    WeightFile model = options_.model;
    model.metadata["iteration"] = str(iteration);
    append_weights(executor_, model);
    try {
      write_safetensors(snapshot_path(options_.folder, iteration, ".safetensors"), model);
    } catch (...) {
      std::error_code ignored;
      fs::remove(state_file, ignored);
      throw;
    }
    last_snapshot_ = iteration;
  }

  // A snapshot in the making when the process was killed.
  void remove_unfinished() const {
    std::vector<fs::path> unfinished;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("iter_") && name.find(".tmp") != std::string::npos)
        unfinished.push_back(entry.path());
    }
    for (const fs::path& path : unfinished) fs::remove(path);
  }

  std::int64_t restore() {
    remove_unfinished();
    const std::int64_t iteration = newest_snapshot(options_.folder);
    if (iteration < 0) return 0;
    load_all_weights(executor_, snapshot_path(options_.folder, iteration, ".safetensors"));
    const fs::path path = snapshot_path(options_.folder, iteration, ".state");
    const WeightFile state = read_safetensors(path);
    const auto made_with = state.metadata.find("made_with");
    const std::string here = options_.made_with.dump(),
                      there = made_with == state.metadata.end() ? "{}" : made_with->second;
    require(here == there || options_.resume_anyway, "no exact resume from ", path.string(),
            ": made with ", there, ", expected ", here, " (--force goes on all the same)");
    std::vector<std::vector<float>> histories;
    for (std::size_t k = 0; k < executor_.param_count(); ++k) {
      const Tensor<float>* history = state.find(executor_.param_info(k).name);
      require(history && history->shape == executor_.param_info(k).shape,
              "missing or wrong history in ", path.string(), ": ", executor_.param_info(k).name);
      histories.push_back(history->values);
    }
    solver_.restore(iteration, histories);
    last_snapshot_ = iteration;
    return iteration;
  }

  Executor& executor_;
  const TrainOptions& options_;
  const LoadBatch& load_;
  Solver solver_;
  std::int64_t last_snapshot_ = -1, resumed_at_;
  RunLog log_;
};

}  // namespace

std::int64_t newest_snapshot(const fs::path& folder) {
  std::int64_t newest = -1;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("iter_") || entry.path().extension() != ".safetensors") continue;
    const std::string digits = name.substr(5, name.size() - 5 - std::string(".safetensors").size());
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::int64_t iteration = std::stoll(digits);
    if (fs::exists(snapshot_path(folder, iteration, ".state")))
      newest = std::max(newest, iteration);
  }
  return newest;
}

void require_no_snapshots(const fs::path& folder) {
  require(newest_snapshot(folder) < 0, "output exists: ", folder.string(),
          ": it holds snapshots, expected a new folder (or --resume, or --force)");
}

std::int64_t train(Executor& executor, const TrainOptions& options, const LoadBatch& load) {
  if (!options.resume) require_no_snapshots(options.folder);
  return Run(executor, options, load).go();
}

}  // namespace fovea
