// The training loop of one fold: solver iterations, logs, snapshots, exact resume.
//
// A folder holds iter_<N>.safetensors (weights and everything a model needs) with iter_<N>.state
// (momentum history), both written whole or not at all, and the logs of run_log.h. Batches, dropout
// and learning rates are functions of the iteration, so a run that is killed at any moment and
// resumed from its newest pair gives the same bits as one that was not.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>

#include "engine/io/weights.h"
#include "engine/train/run_log.h"
#include "engine/train/solver.h"

namespace fovea {

// Fills the executor's inputs with batch `index` of the run.
using LoadBatch = std::function<void(std::int64_t index)>;

struct TrainOptions {
  std::filesystem::path folder;
  SolverParams solver;
  bool resume = false;
  // What bit-equal runs must agree in (threads, instruction set, precision), kept in every state;
  // resume refuses a state made with something else unless `resume_anyway`.
  Json made_with = Json::object();
  bool resume_anyway = false;
  WeightFile model;    // metadata and extra tensors ("__mean__") that every snapshot carries
  Json description;    // first line of log.jsonl
  std::string scores;  // blob of class scores for the accuracy in the log
  std::function<void(const TrainProgress&)> report;               // at every display interval
  std::function<void(std::int64_t iteration, double loss)> tick;  // after every iteration
  const std::atomic<bool>* stop = nullptr;                        // set: snapshot and return
};

// The newest iteration of which weights and state are both there; -1 = none.
[[nodiscard]] std::int64_t newest_snapshot(const std::filesystem::path& folder);

// Error when there is one: a new run would mix its snapshots with those of another.
void require_no_snapshots(const std::filesystem::path& folder);

// Trains from the executor's present weights (or, with resume, from the newest snapshot) to
// solver.max_iter. Returns the iteration reached. Error when the loss is no longer a number: the
// last snapshot stays.
std::int64_t train(Executor& executor, const TrainOptions& options, const LoadBatch& load);

}  // namespace fovea
