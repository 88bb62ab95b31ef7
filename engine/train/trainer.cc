#include "engine/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/core/json_fields.h"
#include "engine/train/data_parallel.h"
#include "engine/train/divergence.h"
#include "engine/train/weight_average.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Images of which the label has the largest score.
double count_right(const Tensor<float>& scores, std::span<const float> labels) {
  const std::int64_t classes = scores.shape.c();
  int right = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const float* row = scores.values.data() + static_cast<std::int64_t>(n) * classes;
    right +=
        std::max_element(row, row + classes) - row == static_cast<std::int64_t>(labels[n]) ? 1 : 0;
  }
  return right;
}

class Run {
 public:
  Run(Executor& executor, const TrainOptions& options, const LoadBatch& load)
      : executor_(executor),
        options_(options),
        load_(load),
        shared_(share()),
        solver_(executor, options.solver, shared_.get()),
        best_(options.evaluation),
        average_(start_average()),
        resumed_at_(start()) {
    if (first())
      log_.emplace(options.folder, options.description, resumed_at_,
                   options.evaluation.interval > 0 ? options.evaluation.split : "");
  }

  TrainResult go() {
    const SolverParams& p = options_.solver;
    restart_clock();
    while (solver_.iteration() < p.max_iter && !stopped() && !exhausted_) {
      const double loss = solver_.step(
          [&](std::int64_t sub) { load_(solver_.iteration() * p.iter_size + sub); }, stop_here());
      const std::int64_t done = solver_.iteration();
      if (average_) average_->update(done);
      if (options_.tick) options_.tick(done, loss);
      const bool evaluating = due(options_.evaluation.interval);
      if (evaluating || due(p.display)) log_progress(loss, evaluating);
      if (p.snapshot > 0 && done % p.snapshot == 0) snapshot();
    }
    if (last_snapshot_ != solver_.iteration()) snapshot();
    return {.iteration = solver_.iteration(),
            .stopped_early = exhausted_,
            .stop_asked = stopped(),
            .best_iteration = best_.iteration(),
            .best_value = best_.value()};
  }

 private:
  [[nodiscard]] std::unique_ptr<DataParallel> share() const {
    if (!options_.ranks || (options_.ranks->size() == 1 && !options_.sum)) return nullptr;
    return std::make_unique<DataParallel>(*options_.ranks, executor_, options_.sum);
  }
  [[nodiscard]] bool first() const { return !shared_ || shared_->ranks().first(); }
  // What rank 0 alone does, however long it takes it; behind it all ranks agree on `exhausted_`.
  template <class Work>
  void first_does(const std::string& what, Work&& work) {
    if (!shared_) {
      work();
      exhausted_ = best_.exhausted();
      return;
    }
    shared_->ranks().first_does(work, what);
    std::byte byte{best_.exhausted()};
    shared_->ranks().broadcast({&byte, 1}, what);
    exhausted_ = byte != std::byte{0};
  }

  [[nodiscard]] bool stop_here() const { return options_.stop && options_.stop->load(); }
  [[nodiscard]] bool stopped() const { return shared_ ? shared_->stop_agreed() : stop_here(); }
  [[nodiscard]] bool due(std::int64_t interval) const {
    const std::int64_t done = solver_.iteration();
    return interval > 0 && (done % interval == 0 || done == options_.solver.max_iter);
  }
  void restart_clock() { since_ = Clock::now(), counted_from_ = solver_.iteration(); }

  void log_progress(double loss, bool evaluating) {
    const std::int64_t done = solver_.iteration();
    const double seconds = std::chrono::duration<double>(Clock::now() - since_).count();
    // Right ones, and all, of the last batch on all ranks.
    double counts[] = {
        count_right(executor_.blob(options_.scores), executor_.input("label").span()),
        static_cast<double>(executor_.input("data").shape.n())};
    if (shared_) shared_->ranks().sum(counts, "the accuracy");
    const double images =
        counts[1] * static_cast<double>(options_.solver.iter_size * (done - counted_from_));
    TrainProgress progress{.iteration = done,
                           .max_iter = options_.solver.max_iter,
                           .loss = loss,
                           .accuracy = counts[0] / counts[1],
                           .images_per_s = images / seconds,
                           .lr = solver_.last_rate(),
                           .evaluation = {}};
    if (evaluating) {
      first_does(str("the evaluation at iteration ", done),
                 [&] { progress.evaluation = evaluate_now(); });
    }
    if (first()) log_->add(progress);
    if (first() && options_.report) options_.report(progress);
    restart_clock();
  }

  MeasuredProgress evaluate_now() {
    WeightFile model = options_.evaluation.average ? averaged_model() : present_model();
    MeasuredProgress measured{.result = options_.evaluate(model)};
    measured.best = best_.add(solver_.iteration(), measured.result);
    measured.stops = best_.exhausted();
    if (measured.best && options_.evaluation.keep_best) {
      model.metadata["evaluation"] = Json({{"split", options_.evaluation.split},
                                           {"measure", enum_name(options_.evaluation.measure)},
                                           {"value", best_.value()}})
                                         .dump();
      write_safetensors(best_path(options_.folder), model);
    }
    return measured;
  }

  [[nodiscard]] std::optional<WeightAverage> start_average() const {
    if (options_.solver.ema <= 0 || !first()) return std::nullopt;
    return WeightAverage(executor_, options_.solver.ema);
  }

  [[nodiscard]] WeightFile present_model() const {
    WeightFile model = bare_model();
    append_weights(executor_, model);
    return checked(std::move(model));
  }
  [[nodiscard]] WeightFile averaged_model() const {
    WeightFile model = bare_model();
    model.metadata["averaged"] = str(options_.solver.ema);
    average_->append(model);
    return checked(std::move(model));
  }
  [[nodiscard]] WeightFile bare_model() const {
    WeightFile model = options_.model;
    model.metadata["iteration"] = str(solver_.iteration());
    return model;
  }
  // Error rather than a snapshot that nobody can go on from.
  [[nodiscard]] WeightFile checked(WeightFile model) const {
    const std::string bad = tensor_not_finite(model);
    require(bad.empty(), "training diverged by iteration ", solver_.iteration(), ": the parameter ",
            bad, " is not finite (a smaller base_lr may help)");
    return model;
  }

  void snapshot() {
    last_snapshot_ = solver_.iteration();
    first_does(str("the snapshot of iteration ", last_snapshot_), [&] { write_snapshot(); });
  }

  // State first: a snapshot counts only when its weights are there too.
  void write_snapshot() const {
    const std::int64_t iteration = solver_.iteration();
    const WeightFile model = present_model();
    WeightFile state{
        .tensors = {},
        .metadata = {{"iteration", str(iteration)}, {"made_with", options_.made_with.dump()}}};
    if (options_.evaluation.interval > 0) state.metadata["best"] = best_.to_json().dump();
    for (std::size_t k = 0; k < executor_.param_count(); ++k) {
      state.tensors.emplace_back(executor_.param_info(k).name,
                                 Tensor<float>(executor_.param_info(k).shape, solver_.history(k)));
    }
    const fs::path state_file = snapshot_path(options_.folder, iteration, ".state");
    write_safetensors(state_file, state);
    const fs::path average_file = average_path(options_.folder, iteration);
    try {
      if (average_) write_safetensors(average_file, averaged_model());
      write_safetensors(snapshot_path(options_.folder, iteration, ".safetensors"), model);
    } catch (...) {
      std::error_code ignored;
      fs::remove(state_file, ignored), fs::remove(average_file, ignored);
      throw;
    }
    if (options_.solver.keep_last > 0)
      keep_newest_snapshots(options_.folder, options_.solver.keep_last);
  }

  // The iteration that the run begins with, in the state that belongs to it.
  std::int64_t start() {
    std::int64_t iteration = options_.resume && first() ? restore() : 0;
    exhausted_ = best_.exhausted();
    if (shared_) iteration = start_together(iteration);
    if (iteration > 0) last_snapshot_ = iteration;
    return iteration;
  }

  // Rank 0's weights, momentum and iteration for everybody.
  std::int64_t start_together(std::int64_t iteration) {
    Communicator& ranks = shared_->ranks();
    std::int64_t state[] = {iteration, exhausted_ ? 1 : 0};
    ranks.broadcast(std::as_writable_bytes(std::span(state)), "the iteration to begin with");
    exhausted_ = state[1] != 0;
    shared_->broadcast_params();
    if (state[0] == 0) return 0;
    std::vector<std::vector<float>> histories;
    for (std::size_t k = 0; k < executor_.param_count(); ++k) {
      histories.push_back(solver_.history(k));
      ranks.broadcast(std::as_writable_bytes(std::span(histories.back())),
                      "the momentum of " + executor_.param_info(k).name);
    }
    if (!first()) solver_.restore(state[0], histories);
    return state[0];
  }

  std::int64_t restore() {
    remove_unfinished_snapshots(options_.folder);
    const std::int64_t iteration = newest_snapshot(options_.folder);
    if (iteration < 0) return 0;
    load_all_weights(executor_, snapshot_path(options_.folder, iteration, ".safetensors"));
    const fs::path path = snapshot_path(options_.folder, iteration, ".state");
    const WeightFile state = read_safetensors(path);
    const auto made_with = state.metadata.find("made_with");
    Json before =
        made_with == state.metadata.end() ? Json::object() : Json::parse(made_with->second);
    // States from before there were several.
    if (!before.contains("ranks") && options_.made_with.contains("ranks")) before["ranks"] = 1;
    const std::string here = options_.made_with.dump(), there = before.dump();
    require(here == there || options_.resume_anyway, "no exact resume from ", path.string(),
            ": made with ", there, ", expected ", here, " (--force goes on all the same)");
    // A run that did not evaluate so far has no best one yet.
    const auto best = state.metadata.find("best");
    if (best != state.metadata.end()) best_.restore(Json::parse(best->second));
    std::vector<std::vector<float>> histories;
    for (std::size_t k = 0; k < executor_.param_count(); ++k) {
      const Tensor<float>* history = state.find(executor_.param_info(k).name);
      require(history && history->shape == executor_.param_info(k).shape,
              "missing or wrong history in ", path.string(), ": ", executor_.param_info(k).name);
      histories.push_back(history->values);
    }
    solver_.restore(iteration, histories);
    if (average_) {
      const fs::path file = average_path(options_.folder, iteration);
      average_->restore(read_safetensors(file), file.string());
    }
    return iteration;
  }

  Executor& executor_;
  const TrainOptions& options_;
  const LoadBatch& load_;
  std::unique_ptr<DataParallel> shared_;  // with other ranks
  Solver solver_;
  BestSoFar best_;  // on rank 0, as the average and the log
  std::optional<WeightAverage> average_;
  bool exhausted_ = false;  // evaluation.patience is at its end
  std::int64_t last_snapshot_ = -1, resumed_at_;
  std::optional<RunLog> log_;
  Clock::time_point since_;  // when, and at which iteration, counting images per second began
  std::int64_t counted_from_ = 0;
};

}  // namespace

TrainResult train(Executor& executor, const TrainOptions& options, const LoadBatch& load) {
  expects(options.evaluation.interval == 0 || options.evaluate, "something that evaluates");
  const bool writes = !options.ranks || options.ranks->first();
  if (!options.resume && writes) require_no_snapshots(options.folder);
  return Run(executor, options, load).go();
}

}  // namespace fovea
