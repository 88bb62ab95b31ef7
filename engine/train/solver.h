// Caffe's stochastic gradient descent with momentum, exactly (sgd_solver.cpp), on an executor.
//
// Per update: (1) with clip_gradients > 0, scale by it / norm where the global L2 norm of the
// gradients, accumulated over iter_size sub-batches, exceeds it; (2) divide by iter_size; (3) add
// weight_decay * decay_mult * w (L2) or * sign(w) (L1); (4) v = momentum v + lr lr_mult g, w -= v.
#pragma once

#include <functional>
#include <vector>

#include "engine/core/fields.h"
#include "engine/graph/executor.h"
#include "engine/graph/prototxt.h"
#include "engine/parallel/gradient_sum.h"
#include "kernels/ops/device.h"
#include "kernels/ops/sgd_kernels.h"

namespace fovea {

enum class LrPolicy { kFixed, kStep, kExp, kInv, kMultistep, kPoly, kSigmoid, kCosine };
template <>
inline constexpr EnumTable<LrPolicy, 8> enum_names<LrPolicy>{{{"fixed", LrPolicy::kFixed},
                                                              {"step", LrPolicy::kStep},
                                                              {"exp", LrPolicy::kExp},
                                                              {"inv", LrPolicy::kInv},
                                                              {"multistep", LrPolicy::kMultistep},
                                                              {"poly", LrPolicy::kPoly},
                                                              {"sigmoid", LrPolicy::kSigmoid},
                                                              {"cosine", LrPolicy::kCosine}}};
enum class Regularization { kL2, kL1 };
template <>
inline constexpr EnumTable<Regularization, 2> enum_names<Regularization>{
    {{"L2", Regularization::kL2}, {"L1", Regularization::kL1}}};

struct SolverParams {
  float base_lr = 0.001F;
  LrPolicy policy = LrPolicy::kStep;
  float gamma = 0.1F, power = 1;
  std::int64_t stepsize = 10000;
  std::vector<std::int64_t> stepvalues;
  std::int64_t warmup =
      0;  // iterations of linear growth from 0 in front of the policy (not in Caffe)
  std::int64_t max_iter = 50000;
  float momentum = 0.9F, weight_decay = 0.0005F;
  Regularization regularization = Regularization::kL2;
  std::int64_t iter_size = 1;
  float clip_gradients = -1;  // <= 0: off
  std::int64_t snapshot = 1000, display = 20;
  std::int64_t keep_last = 0;  // newest snapshots that stay; 0: all (not in Caffe)
  float ema = 0;  // decay of an average of the weights over the run, 0: none (not in Caffe)

  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("base_lr", p.base_lr), v("policy", p.policy), v("gamma", p.gamma), v("power", p.power),
        v("stepsize", p.stepsize);
    v("stepvalues", p.stepvalues), v("warmup", p.warmup), v("max_iter", p.max_iter),
        v("momentum", p.momentum);
    v("weight_decay", p.weight_decay), v("regularization", p.regularization),
        v("iter_size", p.iter_size);
    v("clip_gradients", p.clip_gradients), v("snapshot", p.snapshot), v("display", p.display),
        v("keep_last", p.keep_last), v("ema", p.ema);
  }
};

// Reads a Caffe solver prototxt (fields of SGD; another solver_type is an Error).
[[nodiscard]] SolverParams caffe_solver(const ProtoMessage& solver);

// The learning rate of an iteration, in Caffe's own float arithmetic. `step` is multistep's
// counter: Caffe advances it at most once per iteration queried, so it is state; pass one that
// starts at 0 and is queried for 0, 1, 2, ...
[[nodiscard]] float learning_rate(const SolverParams& params, std::int64_t iteration, int& step);

class DataParallel;

class Solver {
 public:
  // `shared`: what this rank does with others (engine/train/data_parallel.h); null: it is alone.
  Solver(Executor& executor, const SolverParams& params, DataParallel* shared = nullptr);

  // One iteration: calls load(sub_batch) to fill the inputs, forward, backward, update. Returns the
  // mean loss over the sub-batches (of all ranks) before the update. `stop_here`: asked for once
  // per iteration by DataParallel::finish(). Error when a loss is infinite or NaN, naming
  // the layer where that began; the parameters are then as before.
  double step(const std::function<void(std::int64_t sub_batch)>& load, bool stop_here = false);

  [[nodiscard]] std::int64_t iteration() const { return iteration_; }
  [[nodiscard]] float last_rate() const { return rate_; }
  [[nodiscard]] const std::vector<double>& last_losses() const { return losses_; }  // per sub-batch

  // Momentum history of parameter k, plain Caffe order; and the reverse for resuming at
  // `iteration`.
  [[nodiscard]] std::vector<float> history(std::size_t k) const;
  void restore(std::int64_t iteration, const std::vector<std::vector<float>>& histories);

 private:
  void backward(std::int64_t sub_batch, std::uint64_t key);
  void accumulate(const ParamRange& params, bool first);
  [[nodiscard]] std::span<float> accumulated(std::size_t k) const;
  [[nodiscard]] float clip_factor() const;
  void update();
  [[nodiscard]] std::vector<SgdBlob> blobs();

  Executor& executor_;
  SolverParams params_;
  DataParallel* shared_;
  std::int64_t iteration_ = 0;
  int lr_step_ = 0;
  float rate_ = 0;
  std::vector<double> losses_;
  std::vector<DeviceBuffer<float>> history_;  // per parameter, packed, in the executor's device
  DeviceBuffer<float> accumulated_;  // with iter_size > 1; every one's place as in packed_grad(0)
  std::unique_ptr<SgdKernels> kernels_;       // null on the host
  std::vector<std::size_t> blobs_before_{0};  // of kernels_, in front of parameter k
};

}  // namespace fovea
