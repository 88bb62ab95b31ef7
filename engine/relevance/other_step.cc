#include "engine/backend/registry.h"
#include "engine/core/fields.h"
#include "engine/relevance/step.h"

namespace fovea {
namespace {

// A step that needs the device's kernels.
class KernelStep : public RelevanceStep {
 protected:
  explicit KernelStep(const RelevanceProblem& problem) : kernels_(*problem.kernels) {}
  [[nodiscard]] Device& device() const { return kernels_.device(); }
  // Top 0's relevance as it is, in the bottom's layout.
  void pass() const {
    if (binding_.tops[0].data != binding_.bottoms[0].data)
      device().reorder(binding_.tops[0], binding_.bottoms[0]);
  }

  RelevanceKernels& kernels_;
};

// ReLU, dropout, LRN by the identity rule: relevance passes, in the other tensor's layout if need
// be.
class PassStep final : public KernelStep {
 public:
  explicit PassStep(const RelevanceProblem& problem) : KernelStep(problem) {}
  [[nodiscard]] bool passes() const override { return true; }
  void run(const StepReport&) override { pass(); }
  [[nodiscard]] std::string describe() const override { return "pass"; }
};

class ReluStep final : public KernelStep {
 public:
  ReluStep(const RelevanceProblem& problem, ReluRule rule) : KernelStep(problem), rule_(rule) {}
  void run(const StepReport&) override {
    pass();
    kernels_.relu(rule_, binding_.values[0], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override {
    return std::string("relu ") + std::string(enum_name(rule_));
  }

 private:
  ReluRule rule_;
};

class SplitStep final : public KernelStep {
 public:
  explicit SplitStep(const RelevanceProblem& problem) : KernelStep(problem) {}
  void run(const StepReport&) override {
    device().reorder(binding_.tops[0], binding_.bottoms[0]);
    for (std::size_t i = 1; i < binding_.tops.size(); ++i)
      kernels_.add(1, binding_.tops[i], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "sum of tops"; }
};

class LrnStep final : public KernelStep {
 public:
  LrnStep(const RelevanceProblem& problem, const LrnParams& params, LrnRule rule)
      : KernelStep(problem), params_(params), rule_(rule) {}
  void run(const StepReport&) override {
    kernels_.lrn(params_, rule_, binding_.values[0], binding_.tops[0], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override {
    return std::string("lrn ") + std::string(enum_name(rule_));
  }

 private:
  LrnParams params_;
  LrnRule rule_;
};

class AveragePoolingStep final : public KernelStep {
 public:
  AveragePoolingStep(const RelevanceProblem& problem, const PoolingParams& params,
                     AveragePoolingRule rule)
      : KernelStep(problem), params_(params), rule_(rule) {}
  void run(const StepReport&) override {
    kernels_.average_pooling(params_, rule_, binding_.values[0], binding_.tops[0],
                             binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "proportional to values"; }

 private:
  PoolingParams params_;
  AveragePoolingRule rule_;
};

// Every bottom gets its channels.
class ConcatStep final : public KernelStep {
 public:
  explicit ConcatStep(const RelevanceProblem& problem) : KernelStep(problem) {}
  void run(const StepReport&) override {
    std::int64_t first = 0;
    for (const OpTensor& bottom : binding_.bottoms) {
      kernels_.take_channels(binding_.tops[0], first, bottom);
      first += bottom.shape.c();
    }
  }
  [[nodiscard]] std::string describe() const override { return "slices"; }
};

// A tensor of an operation with memory of its own.
struct OwnTensor {
  DeviceBuffer<float> memory;
  OpTensor tensor;
  OwnTensor(Device& device, const Shape& shape, Layout layout)
      : memory(device, static_cast<std::size_t>(storage_count(shape, layout))),
        tensor{memory.data(), shape, layout} {}
};

// A softmax below the start of the walk, as in an auxiliary head: whatever came from above, its
// bottom gets the probabilities.
class SoftmaxStep final : public KernelStep {
 public:
  explicit SoftmaxStep(const RelevanceProblem& problem)
      : KernelStep(problem),
        op_(create_op(problem.device, {.params = problem.node->op,
                                       .bottoms = {problem.values[0].shape},
                                       .tops = {problem.top.shape},
                                       .bottom_layouts = {problem.values[0].layout},
                                       .propagate = {false}})
                .op),
        logits_(device(), problem.values[0].shape, op_->bottom_layout(0)),
        probabilities_(device(), problem.top.shape, op_->top_layout(0)),
        scratch_(device(), op_->scratch_bytes()),
        state_(device(), op_->state_bytes()) {
    OpTensor no_logits = logits_.tensor, no_probabilities = probabilities_.tensor;
    no_logits.data = no_probabilities.data = nullptr;
    op_->bind({.device = &device(),
               .bottoms = {logits_.tensor},
               .tops = {probabilities_.tensor},
               .bottom_grads = {no_logits},
               .top_grads = {no_probabilities},
               .state = state_.data(),
               .scratch = scratch_.data()});
  }
  void run(const StepReport&) override {
    device().reorder(binding_.values[0], logits_.tensor);
    op_->forward(0);
    device().reorder(probabilities_.tensor, binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "set to its probabilities"; }

 private:
  std::unique_ptr<Op> op_;
  OwnTensor logits_, probabilities_;
  DeviceBuffer<std::byte> scratch_, state_;
};

// Layers whose relevance goes where their gradient would: max pooling (to the winner), and those
// whose rule is the gradient.
class GradientRouteStep final : public KernelStep {
 public:
  explicit GradientRouteStep(const RelevanceProblem& problem) : KernelStep(problem) {
    OpProblem op{.params = problem.node->op, .tops = {problem.top.shape}, .training = true};
    for (const OpTensor& value : problem.values) {
      op.bottoms.push_back(value.shape);
      op.bottom_layouts.push_back(value.layout);
      op.propagate.push_back(true);
    }
    op_ = create_op(problem.device, op).op;
    state_ = DeviceBuffer<std::byte>(device(), op_->state_bytes());
    scratch_ = DeviceBuffer<std::byte>(device(), op_->scratch_bytes());
    layout_ = op_->top_layout(0);
    const auto count = static_cast<std::size_t>(storage_count(problem.top.shape, layout_));
    top_ = DeviceBuffer<float>(device(), count);
    relevance_ = DeviceBuffer<float>(device(), count);
    for (std::size_t i = 0; i < problem.values.size(); ++i) {
      const Layout wanted = op_->bottom_layout(i);
      const bool same = wanted == problem.values[i].layout;
      copies_.push_back(same ? nullptr
                             : std::make_unique<Copies>(device(), problem.values[i].shape, wanted));
    }
  }

  void bind(const RelevanceBinding& binding) override {
    RelevanceStep::bind(binding);
    const Shape& shape = binding.tops[0].shape;
    OpBinding op{.device = &device()};
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      op.bottoms.push_back(copies_[i] ? copies_[i]->value : binding.values[i]);
      op.bottom_grads.push_back(copies_[i] ? copies_[i]->relevance : binding.bottoms[i]);
    }
    op.tops = {{top_.data(), shape, layout_}};
    op.top_grads = {{relevance_.data(), shape, layout_}};
    op.state = state_.data();
    op.scratch = scratch_.data();
    op_->bind(op);
  }

  void run(const StepReport&) override {
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i]) device().reorder(binding_.values[i], copies_[i]->value);
    }
    op_->forward(0);
    device().reorder(binding_.tops[0], {relevance_.data(), binding_.tops[0].shape, layout_});
    op_->backward(0);
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i]) device().reorder(copies_[i]->relevance, binding_.bottoms[i]);
    }
  }
  [[nodiscard]] std::size_t own_bytes() const override {
    std::size_t bytes =
        state_.size() + scratch_.size() + (top_.size() + relevance_.size()) * sizeof(float);
    for (const auto& copy : copies_) bytes += copy ? 2 * copy->values.memory.bytes() : 0;
    return bytes;
  }
  [[nodiscard]] std::string describe() const override { return "routed as the gradient"; }

 private:
  // A bottom in the layout of the operation, where the net gives another.
  struct Copies {
    OwnTensor values, shares;
    OpTensor value, relevance;
    Copies(Device& device, const Shape& shape, Layout layout)
        : values(device, shape, layout),
          shares(device, shape, layout),
          value(values.tensor),
          relevance(shares.tensor) {}
  };

  std::unique_ptr<Op> op_;
  Layout layout_ = Layout::kPlain;
  std::vector<std::unique_ptr<Copies>> copies_;
  DeviceBuffer<std::byte> state_, scratch_;
  DeviceBuffer<float> top_, relevance_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_other_step(const RelevanceProblem& problem,
                                               const OtherRules& rules) {
  const OpParams& params = problem.node->op;
  if (std::holds_alternative<DropoutParams>(params)) return std::make_unique<PassStep>(problem);
  if (std::holds_alternative<ReluParams>(params)) {
    if (rules.relu == ReluRule::kPass) return std::make_unique<PassStep>(problem);
    return std::make_unique<ReluStep>(problem, rules.relu);
  }
  if (std::holds_alternative<SoftmaxParams>(params)) return std::make_unique<SoftmaxStep>(problem);
  if (std::holds_alternative<SplitParams>(params)) return std::make_unique<SplitStep>(problem);
  if (const auto* p = std::get_if<ConcatParams>(&params)) {
    if (p->axis == 1) return std::make_unique<ConcatStep>(problem);
    return std::make_unique<GradientRouteStep>(problem);
  }
  if (const auto* p = std::get_if<LrnParams>(&params)) {
    if (rules.lrn == LrnRule::kIdentity) return std::make_unique<PassStep>(problem);
    if (rules.lrn == LrnRule::kGradient) return std::make_unique<GradientRouteStep>(problem);
    require(p->region == LrnRegion::kAcrossChannels, "no relevance rule for layer ",
            problem.node->name, ": LRN rule ", enum_name(rules.lrn),
            " within a channel, expected --lrn identity or gradient");
    return std::make_unique<LrnStep>(problem, *p, rules.lrn);
  }
  if (const auto* p = std::get_if<PoolingParams>(&params)) {
    const bool routed = p->mode == PoolingMode::kMax
                            ? rules.max_pooling == MaxPoolingRule::kWinner
                            : rules.average_pooling == AveragePoolingRule::kGradient;
    if (routed) return std::make_unique<GradientRouteStep>(problem);
    return std::make_unique<AveragePoolingStep>(problem, *p, rules.average_pooling);
  }
  throw Error(
      str("no relevance rule for layer ", problem.node->name, ": type ", op_type_name(params)));
}

}  // namespace fovea
