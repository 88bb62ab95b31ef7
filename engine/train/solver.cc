#include "engine/train/solver.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/backend/registry.h"
#include "engine/core/json_fields.h"
#include "engine/train/data_parallel.h"
#include "engine/train/divergence.h"
#include "kernels/cpu/sgd.h"

namespace fovea {
namespace {

// Of the host's memory.
std::span<float> span_of(const DeviceBuffer<float>& buffer) {
  return {buffer.data(), buffer.size()};
}

}  // namespace

SolverParams caffe_solver(const ProtoMessage& solver) {
  const std::string type = solver.text("type", solver.text("solver_type", "SGD"));
  require(type == "SGD" || type == "0", "unsupported solver in ", solver.where, ": ", type,
          ", expected SGD");
  SolverParams p;
  p.base_lr = static_cast<float>(solver.number("base_lr", p.base_lr));
  Json policy = solver.text("lr_policy", "fixed");
  read_json(policy, p.policy, solver.where + ": lr_policy");
  p.gamma = static_cast<float>(solver.number("gamma", 0));
  p.power = static_cast<float>(solver.number("power", 0));
  p.stepsize = solver.integer("stepsize", 1);
  for (const ProtoField* value : solver.all("stepvalue")) p.stepvalues.push_back(value->integer());
  p.max_iter = solver.integer("max_iter", 0);
  p.momentum = static_cast<float>(solver.number("momentum", 0));
  p.weight_decay = static_cast<float>(solver.number("weight_decay", 0));
  read_json(Json(solver.text("regularization_type", "L2")), p.regularization,
            solver.where + ": regularization_type");
  p.iter_size = solver.integer("iter_size", 1);
  p.clip_gradients = static_cast<float>(solver.number("clip_gradients", -1));
  p.snapshot = solver.integer("snapshot", 0);
  p.display = solver.integer("display", 0);
  return p;
}

float learning_rate(const SolverParams& p, std::int64_t iteration, int& step) {
  const auto it = static_cast<float>(iteration);
  if (iteration < p.warmup) return p.base_lr * (it + 1) / static_cast<float>(p.warmup);
  switch (p.policy) {
    case LrPolicy::kFixed:
      return p.base_lr;
    case LrPolicy::kStep:
      return p.base_lr * std::pow(p.gamma, static_cast<float>(
                                               iteration / std::max<std::int64_t>(p.stepsize, 1)));
    case LrPolicy::kExp:
      return p.base_lr * std::pow(p.gamma, it);
    case LrPolicy::kInv:
      return p.base_lr * std::pow(1 + p.gamma * it, -p.power);
    case LrPolicy::kMultistep:
      if (step < std::ssize(p.stepvalues) &&
          iteration >= p.stepvalues[static_cast<std::size_t>(step)])
        ++step;
      return p.base_lr * std::pow(p.gamma, static_cast<float>(step));
    case LrPolicy::kPoly:
      return p.base_lr * std::pow(1 - it / static_cast<float>(p.max_iter), p.power);
    case LrPolicy::kSigmoid:
      return p.base_lr * (1 / (1 + std::exp(-p.gamma * (it - static_cast<float>(p.stepsize)))));
    case LrPolicy::kCosine: {
      const auto span = static_cast<float>(std::max<std::int64_t>(p.max_iter - p.warmup, 1));
      const float done = std::min(1.0F, (it - static_cast<float>(p.warmup)) / span);
      return p.base_lr * 0.5F * (1 + std::cos(std::numbers::pi_v<float> * done));
    }
  }
  return p.base_lr;
}

Solver::Solver(Executor& executor, const SolverParams& params, DataParallel* shared)
    : executor_(executor), params_(params), shared_(shared) {
  require(params.iter_size >= 1, "wrong value in solver.iter_size: ", params.iter_size,
          ", expected 1 or more");
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    const std::size_t count = executor.packed_param(k).size();
    history_.emplace_back(executor.device(), count);
    blobs_before_.push_back(blobs_before_.back() + (executor.param_info(k).lr_mult == 0 ? 0 : 1));
  }
  if (params.iter_size > 1 && executor.param_count() > 0) {
    const std::span<const float> last = executor.packed_grad(executor.param_count() - 1);
    const auto count = last.data() + last.size() - executor.packed_grad(0).data();
    accumulated_ = DeviceBuffer<float>(executor.device(), static_cast<std::size_t>(count));
  }
  kernels_ = sgd_kernels(executor.device(), blobs());
  losses_.resize(static_cast<std::size_t>(params.iter_size));
}

double Solver::step(const std::function<void(std::int64_t)>& load, bool stop_here) {
  for (std::int64_t sub = 0; sub < params_.iter_size; ++sub) {
    load(sub);
    if (shared_) shared_->share_losses();
    const auto key = static_cast<std::uint64_t>(iteration_ * params_.iter_size + sub);
    executor_.forward(key);
    backward(sub, key);
    // Asked for behind both passes: a device need not wait between them.
    const double loss = losses_[static_cast<std::size_t>(sub)] = executor_.loss();
    require(std::isfinite(loss), "training diverged at iteration ", iteration_ + 1,
            ": the loss is ", loss, "; ",
            std::isfinite(loss) ? "" : where_not_finite(executor_, key),
            " (a smaller base_lr may help)");
  }
  if (shared_) {
    shared_->gradients().finish();
    shared_->finish(losses_, stop_here);
  }
  update();
  ++iteration_;
  return std::accumulate(losses_.begin(), losses_.end(), 0.0) / static_cast<double>(losses_.size());
}

// Gradients of all sub-batches are in place behind the last one; with other ranks they are on their
// way to being summed.
void Solver::backward(std::int64_t sub_batch, std::uint64_t key) {
  const bool several = params_.iter_size > 1, first = sub_batch == 0;
  if (!shared_ || sub_batch + 1 < params_.iter_size) {
    executor_.backward(key);
    if (several) accumulate({0, executor_.param_count()}, first);
    return;
  }
  GradientSum& sum = shared_->gradients();
  sum.begin(several ? accumulated_.data() : executor_.packed_grad(0).data());
  for (const GradientPart& part : sum.parts()) {
    executor_.backward_part(part.first_step, part.end_step, key);
    for (const ParamRange& params : part.params) {
      if (several) accumulate(params, first);
    }
    sum.part_done();
  }
}

std::span<float> Solver::accumulated(std::size_t k) const {
  const std::span<float> gradient = executor_.packed_grad(k);
  return {accumulated_.data() + (gradient.data() - executor_.packed_grad(0).data()),
          gradient.size()};
}

std::vector<SgdBlob> Solver::blobs() {
  std::vector<SgdBlob> list;
  for (std::size_t k = 0; k < history_.size(); ++k) {
    const ParamInfo& info = executor_.param_info(k);
    if (info.lr_mult == 0) continue;  // frozen; Caffe computes no gradient for those
    list.push_back({.weights = executor_.packed_param(k).data(),
                    .history = history_[k].data(),
                    .gradient = executor_.packed_grad(k).data(),
                    .accumulated = params_.iter_size > 1 ? accumulated(k).data() : nullptr,
                    .count = static_cast<std::int64_t>(history_[k].size()),
                    .rate = info.lr_mult,
                    .decay = params_.weight_decay * info.decay_mult});
  }
  return list;
}

// Frozen parameters have no gradient.
void Solver::accumulate(const ParamRange& params, bool first) {
  if (kernels_)
    return kernels_->accumulate(first, blobs_before_[params.first], blobs_before_[params.end]);
  for (std::size_t k = params.first; k < params.end; ++k) {
    if (executor_.param_info(k).lr_mult == 0) continue;
    const std::span<const float> gradient = executor_.packed_grad(k);
    const std::span<float> sum = accumulated(k);
    if (first) {
      std::ranges::copy(gradient, sum.begin());
    } else {
      std::ranges::transform(sum, gradient, sum.begin(), std::plus<>());
    }
  }
}

float Solver::clip_factor() const {
  if (params_.clip_gradients <= 0) return 1;
  double squares = kernels_ ? kernels_->sum_of_squares() : 0;
  for (std::size_t k = 0; !kernels_ && k < history_.size(); ++k) {
    if (executor_.param_info(k).lr_mult == 0)
      continue;  // Caffe computes no gradient for frozen parameters
    squares +=
        cpu::sum_of_squares(params_.iter_size > 1 ? accumulated(k) : executor_.packed_grad(k));
  }
  const auto norm = static_cast<float>(std::sqrt(squares));
  return norm > params_.clip_gradients ? params_.clip_gradients / norm : 1;
}

void Solver::update() {
  rate_ = learning_rate(params_, iteration_, lr_step_);
  const float scale = clip_factor() / static_cast<float>(params_.iter_size);
  const bool l1 = params_.regularization == Regularization::kL1;
  if (kernels_)
    kernels_->update(
        {.gradient_scale = scale, .rate = rate_, .momentum = params_.momentum, .l1 = l1});
  for (std::size_t k = 0; !kernels_ && k < history_.size(); ++k) {
    const ParamInfo& info = executor_.param_info(k);
    if (info.lr_mult == 0) continue;  // frozen
    const cpu::SgdStep step{.gradient_scale = scale,
                            .rate = rate_ * info.lr_mult,
                            .momentum = params_.momentum,
                            .decay = params_.weight_decay * info.decay_mult,
                            .l1 = l1};
    cpu::sgd_update(step, executor_.packed_param(k),
                    params_.iter_size > 1 ? accumulated(k) : executor_.packed_grad(k),
                    span_of(history_[k]));
  }
  executor_.params_updated();
}

std::vector<float> Solver::history(std::size_t k) const {
  std::vector<float> plain(static_cast<std::size_t>(executor_.param_info(k).shape.count()));
  std::vector<float> packed(history_[k].size());
  executor_.device().download(packed.data(), history_[k].data(), history_[k].bytes());
  executor_.unpack(k, packed, plain);
  return plain;
}

void Solver::restore(std::int64_t iteration, const std::vector<std::vector<float>>& histories) {
  expects(histories.size() == history_.size(), "one history per parameter");
  for (std::size_t k = 0; k < histories.size(); ++k) {
    std::vector<float> packed(history_[k].size());
    executor_.pack(k, histories[k], packed);
    executor_.device().upload(history_[k].data(), packed.data(), history_[k].bytes());
  }
  iteration_ = iteration;
  lr_step_ = 0;
  for (std::int64_t i = 0; i < iteration; ++i) (void)learning_rate(params_, i, lr_step_);
}

}  // namespace fovea
