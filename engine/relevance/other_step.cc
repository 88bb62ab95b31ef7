#include <cstring>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/relevance/step.h"
#include "kernels/cpu/reorder.h"

namespace fovea {
namespace {

// ReLU, dropout, LRN by the identity rule: relevance passes, in the other tensor's layout if need
// be.
class PassStep final : public RelevanceStep {
 public:
  [[nodiscard]] bool passes() const override { return true; }
  void run(std::span<cpu::AbsorbedSums>) override {
    if (binding_.tops[0].data != binding_.bottoms[0].data)
      reorder(binding_.tops[0], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "pass"; }
};

class ReluStep final : public RelevanceStep {
 public:
  explicit ReluStep(ReluRule rule) : rule_(rule) {}
  void run(std::span<cpu::AbsorbedSums>) override {
    if (binding_.tops[0].data != binding_.bottoms[0].data)
      reorder(binding_.tops[0], binding_.bottoms[0]);
    cpu::relevance_relu(rule_, binding_.values[0], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override {
    return std::string("relu ") + std::string(enum_name(rule_));
  }

 private:
  ReluRule rule_;
};

// A softmax below the start of the walk, as in an auxiliary head: whatever came from above, its
// bottom gets the probabilities.
class SoftmaxStep final : public RelevanceStep {
 public:
  explicit SoftmaxStep(const RelevanceProblem& problem)
      : op_(create_op("reference", {.params = problem.node->op,
                                    .bottoms = {problem.values[0].shape},
                                    .tops = {problem.top.shape},
                                    .bottom_layouts = {Layout::kPlain},
                                    .propagate = {false}})
                .op),
        logits_(problem.values[0].shape),
        probabilities_(problem.top.shape),
        scratch_(op_->scratch_bytes()),
        state_(op_->state_bytes()) {
    op_->bind({.bottoms = {plain(logits_)},
               .tops = {plain(probabilities_)},
               .bottom_grads = {{nullptr, logits_.shape, Layout::kPlain}},
               .top_grads = {{nullptr, probabilities_.shape, Layout::kPlain}},
               .state = state_.data(),
               .scratch = scratch_.data()});
  }
  void run(std::span<cpu::AbsorbedSums>) override {
    reorder(binding_.values[0], plain(logits_));
    op_->forward(0);
    reorder(plain(probabilities_), binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "set to its probabilities"; }

 private:
  static OpTensor plain(Tensor<float>& tensor) {
    return {tensor.values.data(), tensor.shape, Layout::kPlain};
  }
  std::unique_ptr<Op> op_;
  Tensor<float> logits_, probabilities_;
  Buffer<std::byte> scratch_, state_;
};

class SplitStep final : public RelevanceStep {
 public:
  void run(std::span<cpu::AbsorbedSums>) override {
    reorder(binding_.tops[0], binding_.bottoms[0]);
    for (std::size_t i = 1; i < binding_.tops.size(); ++i)
      cpu::add(1, binding_.tops[i], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "sum of tops"; }
};

class LrnStep final : public RelevanceStep {
 public:
  LrnStep(const LrnParams& params, LrnRule rule) : params_(params), rule_(rule) {}
  void run(std::span<cpu::AbsorbedSums>) override {
    cpu::relevance_lrn(params_, rule_, binding_.values[0], binding_.tops[0], binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override {
    return std::string("lrn ") + std::string(enum_name(rule_));
  }

 private:
  LrnParams params_;
  LrnRule rule_;
};

class AveragePoolingStep final : public RelevanceStep {
 public:
  AveragePoolingStep(const PoolingParams& params, AveragePoolingRule rule)
      : params_(params), rule_(rule) {}
  void run(std::span<cpu::AbsorbedSums>) override {
    cpu::relevance_average_pooling(params_, rule_, binding_.values[0], binding_.tops[0],
                                   binding_.bottoms[0]);
  }
  [[nodiscard]] std::string describe() const override { return "proportional to values"; }

 private:
  PoolingParams params_;
  AveragePoolingRule rule_;
};

// Every bottom gets its channels.
class ConcatStep final : public RelevanceStep {
 public:
  void run(std::span<cpu::AbsorbedSums>) override {
    std::int64_t first = 0;
    for (const OpTensor& bottom : binding_.bottoms) {
      cpu::take_channels(binding_.tops[0], first, bottom);
      first += bottom.shape.c();
    }
  }
  [[nodiscard]] std::string describe() const override { return "slices"; }
};

// Layers whose relevance goes where their gradient would: max pooling (to the winner), and those
// whose rule is the gradient.
class GradientRouteStep final : public RelevanceStep {
 public:
  explicit GradientRouteStep(const RelevanceProblem& problem) {
    OpProblem op{.params = problem.node->op, .tops = {problem.top.shape}, .training = true};
    for (const OpTensor& value : problem.values) {
      op.bottoms.push_back(value.shape);
      op.bottom_layouts.push_back(value.layout);
      op.propagate.push_back(true);
    }
    op_ = create_op(problem.device, op).op;
    state_ = Buffer<std::byte>(op_->state_bytes());
    scratch_ = Buffer<std::byte>(op_->scratch_bytes());
    layout_ = op_->top_layout(0);
    const auto count = static_cast<std::size_t>(storage_count(problem.top.shape, layout_));
    top_ = Buffer<float>(count);
    relevance_ = Buffer<float>(count);
    for (std::size_t i = 0; i < problem.values.size(); ++i) {
      const Layout wanted = op_->bottom_layout(i);
      const bool same = wanted == problem.values[i].layout;
      copies_.push_back(same ? nullptr : std::make_unique<Copies>(problem.values[i].shape, wanted));
    }
  }

  void bind(const RelevanceBinding& binding) override {
    RelevanceStep::bind(binding);
    const Shape& shape = binding.tops[0].shape;
    OpBinding op;
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

  void run(std::span<cpu::AbsorbedSums>) override {
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i]) reorder(binding_.values[i], copies_[i]->value);
    }
    op_->forward(0);
    reorder(binding_.tops[0], {relevance_.data(), binding_.tops[0].shape, layout_});
    op_->backward(0);
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i]) reorder(copies_[i]->relevance, binding_.bottoms[i]);
    }
  }
  [[nodiscard]] std::size_t own_bytes() const override {
    std::size_t bytes =
        state_.size() + scratch_.size() + (top_.size() + relevance_.size()) * sizeof(float);
    for (const auto& copy : copies_) bytes += copy ? 2 * copy->values.size() * sizeof(float) : 0;
    return bytes;
  }
  [[nodiscard]] std::string describe() const override { return "routed as the gradient"; }

 private:
  // A bottom in the layout of the operation, where the net gives another.
  struct Copies {
    Buffer<float> values, shares;
    OpTensor value, relevance;
    Copies(const Shape& shape, Layout layout)
        : values(static_cast<std::size_t>(storage_count(shape, layout))),
          shares(values.size()),
          value{values.data(), shape, layout},
          relevance{shares.data(), shape, layout} {}
  };

  std::unique_ptr<Op> op_;
  Layout layout_ = Layout::kPlain;
  std::vector<std::unique_ptr<Copies>> copies_;
  Buffer<std::byte> state_, scratch_;
  Buffer<float> top_, relevance_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_other_step(const RelevanceProblem& problem,
                                               const OtherRules& rules) {
  const OpParams& params = problem.node->op;
  if (std::holds_alternative<DropoutParams>(params)) return std::make_unique<PassStep>();
  if (std::holds_alternative<ReluParams>(params)) {
    if (rules.relu == ReluRule::kPass) return std::make_unique<PassStep>();
    return std::make_unique<ReluStep>(rules.relu);
  }
  if (std::holds_alternative<SoftmaxParams>(params)) return std::make_unique<SoftmaxStep>(problem);
  if (std::holds_alternative<SplitParams>(params)) return std::make_unique<SplitStep>();
  if (const auto* p = std::get_if<ConcatParams>(&params)) {
    if (p->axis == 1) return std::make_unique<ConcatStep>();
    return std::make_unique<GradientRouteStep>(problem);
  }
  if (const auto* p = std::get_if<LrnParams>(&params)) {
    if (rules.lrn == LrnRule::kIdentity) return std::make_unique<PassStep>();
    if (rules.lrn == LrnRule::kGradient) return std::make_unique<GradientRouteStep>(problem);
    require(p->region == LrnRegion::kAcrossChannels, "no relevance rule for layer ",
            problem.node->name, ": LRN rule ", enum_name(rules.lrn),
            " within a channel, expected --lrn identity or gradient");
    return std::make_unique<LrnStep>(*p, rules.lrn);
  }
  if (const auto* p = std::get_if<PoolingParams>(&params)) {
    const bool routed = p->mode == PoolingMode::kMax
                            ? rules.max_pooling == MaxPoolingRule::kWinner
                            : rules.average_pooling == AveragePoolingRule::kGradient;
    if (routed) return std::make_unique<GradientRouteStep>(problem);
    return std::make_unique<AveragePoolingStep>(*p, rules.average_pooling);
  }
  throw Error(
      str("no relevance rule for layer ", problem.node->name, ": type ", op_type_name(params)));
}

}  // namespace fovea
