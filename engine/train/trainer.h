// The training loop of one fold: solver iterations, evaluations, logs, snapshots, exact resume.
//
// A folder holds the snapshots of snapshots.h, each file written whole or not at all, and the logs
// of run_log.h. Batches, dropout and learning rates are functions of the iteration, and what is not
// (momentum, averaged weights, the best evaluation so far) is in the snapshot, so a run that is
// killed at any moment and resumed from its newest pair gives the same bits as one that was not.
//
// Several ranks train together when `ranks` has them (engine/train/data_parallel.h): each calls
// train() with its part of the batches. Rank 0 reads and writes the folder, evaluates and reports;
// the others begin with its weights and state, and wait where it does something alone.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>

#include "engine/core/json_fields.h"
#include "engine/io/weights.h"
#include "engine/parallel/communicator.h"
#include "engine/train/best.h"
#include "engine/train/run_log.h"
#include "engine/train/snapshots.h"
#include "engine/train/solver.h"
#include "kernels/ops/device_sum.h"

namespace fovea {

// Fills the executor's inputs with batch `index` of the run.
using LoadBatch = std::function<void(std::int64_t index)>;

struct TrainOptions {
  std::filesystem::path folder;
  SolverParams solver;
  EvaluationParams evaluation;
  // Measures a model on evaluation.split; needed where evaluation.interval > 0.
  std::function<Evaluation(const WeightFile& model)> evaluate;
  bool resume = false;
  // What bit-equal runs must agree in (threads, instruction set, precision), kept in every state;
  // resume refuses a state made with something else unless `resume_anyway`.
  Json made_with = Json::object();
  bool resume_anyway = false;
  WeightFile model;    // metadata and extra tensors ("__mean__") that every snapshot carries
  Json description;    // first line of log.jsonl
  std::string scores;  // blob of class scores for the accuracy in the log
  std::function<void(const TrainProgress&)> report;  // display intervals and evaluations
  std::function<void(std::int64_t iteration, double loss)> tick;  // after every iteration
  const std::atomic<bool>* stop = nullptr;  // set (on any rank): snapshot and return
  Communicator* ranks = nullptr;            // null: this process alone
  DeviceSum* sum = nullptr;  // of the ranks' gradients; null: the hosts add them up, if several
};

struct TrainResult {
  std::int64_t iteration = 0;
  bool stopped_early = false;        // no better evaluation for too long
  bool stop_asked = false;           // by `stop`, on any rank
  std::int64_t best_iteration = -1;  // of the best evaluation; -1: there was none
  double best_value = 0;
};

// Trains from the executor's present weights (or, with resume, from the newest snapshot) to
// solver.max_iter or until evaluation.patience is at its end. Error when the loss is no longer a
// number: the last snapshot stays.
TrainResult train(Executor& executor, const TrainOptions& options, const LoadBatch& load);

}  // namespace fovea
