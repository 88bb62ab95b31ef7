#include <algorithm>
#include <cstring>
#include <functional>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/relevance/step.h"
#include "kernels/cpu/reorder.h"

namespace fovea {
namespace {

// A tensor with memory of its own.
struct OwnedTensor {
  Buffer<float> memory;
  OpTensor tensor;

  OwnedTensor(const Shape& shape, Layout layout)
      : memory(static_cast<std::size_t>(storage_count(shape, layout))),
        tensor{memory.data(), shape, layout} {}
};

class LinearStep final : public RelevanceStep {
 public:
  LinearStep(const RelevanceProblem& problem, const RelevanceRule& rule)
      : rule_(rule), non_negative_(problem.non_negative_input), shape_(problem.values[0].shape) {
    OpProblem op{.params = problem.node->op,
                 .bottoms = {shape_},
                 .tops = {problem.top.shape},
                 .bottom_layouts = {problem.values[0].layout},
                 .propagate = {true},
                 .training = true,
                 .exact_zeros = true};
    for (const RelevanceTerm& term : rule.table()) {
      if (non_negative_ && term.input == InputMap::kNegative) continue;
      ChosenOp chosen = create_op(problem.device, op);
      implementation_ = chosen.implementation;
      terms_.push_back(
          std::make_unique<TermOp>(term, std::move(chosen.op), problem.node->params.size()));
    }
    const Op& first = *terms_[0]->op;
    value_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    share_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    bottom_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    top_ = std::make_unique<OwnedTensor>(problem.top.shape, first.top_layout(0));
    for (auto* z : {&quotient_, &partial_})
      *z = std::make_unique<OwnedTensor>(problem.top.shape, first.top_layout(0));
  }

  void bind(const RelevanceBinding& binding) override {
    RelevanceStep::bind(binding);
    const Layout layout = value_->tensor.layout;
    x_ = binding.values[0].layout == layout ? binding.values[0] : value_->tensor;
    r_bottom_ = binding.bottoms[0].layout == layout ? binding.bottoms[0] : bottom_->tensor;
    r_top_ = binding.tops[0].layout == top_->tensor.layout ? binding.tops[0] : top_->tensor;
    for (const auto& term : terms_) {
      const bool as_it_is = keeps_input(term->map.input);
      if (!as_it_is && !mapped_) mapped_ = std::make_unique<OwnedTensor>(shape_, layout);
      OpBinding op;
      op.bottoms = {as_it_is ? x_ : mapped_->tensor};
      op.tops = {partial_->tensor};
      op.bottom_grads = {share_->tensor};
      op.top_grads = {partial_->tensor};
      for (Buffer<float>& param : term->params) op.params.push_back(param.data());
      op.param_grads.assign(term->params.size(), nullptr);
      op.state = term->state.data();
      op.scratch = term->scratch.data();
      term->op->bind(op);
    }
  }

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    std::vector<float> plain(weight.size());
    for (const auto& term : terms_) {
      std::ranges::transform(weight, plain.begin(),
                             [&](float w) { return mapped(term->map.weight, w); });
      term->op->pack_param(0, plain.data(), term->params[0].data());
      term->bias.assign(bias.begin(), bias.end());
      for (float& b : term->bias) b = mapped(term->map.bias, b);
      if (term->params.size() > 1)
        term->op->pack_param(1, term->bias.data(), term->params[1].data());
      term->op->params_changed();
    }
  }

  void run(std::span<cpu::AbsorbedSums> absorbed) override {
    if (x_.data == value_->tensor.data) reorder(binding_.values[0], x_);
    if (r_top_.data == top_->tensor.data) reorder(binding_.tops[0], r_top_);
    bool overwrite = true;
    for (int group = 0; group < rule_.groups; ++group) run_group(group, overwrite, absorbed);
    if (r_bottom_.data == bottom_->tensor.data) reorder(r_bottom_, binding_.bottoms[0]);
  }

  [[nodiscard]] std::string describe() const override {
    return str(rule_.name, ": ", terms_.size(), " of ", rule_.terms, " terms, ", implementation_);
  }

 private:
  struct TermOp {
    RelevanceTerm map;
    std::unique_ptr<Op> op;
    std::vector<Buffer<float>> params;
    std::vector<float> bias;  // mapped, plain
    Buffer<std::byte> state, scratch;

    TermOp(const RelevanceTerm& t, std::unique_ptr<Op> o, std::size_t param_count)
        : map(t), op(std::move(o)), state(op->state_bytes()), scratch(op->scratch_bytes()) {
      for (std::size_t i = 0; i < param_count; ++i)
        params.emplace_back(static_cast<std::size_t>(op->param_storage(i)));
    }
  };

  [[nodiscard]] bool keeps_input(InputMap map) const {
    return map == InputMap::kIdentity || (map == InputMap::kPositive && non_negative_);
  }

  // Puts a_t(x) where the term's operation reads it.
  void prepare_input(const TermOp& term) const {
    if (!keeps_input(term.map.input)) cpu::apply_map(term.map.input, x_, mapped_->tensor);
  }

  // Z_g in quotient_, then S_g, then its shares added to r_bottom_. Mapped biases of a group's
  // terms never overlap, so their sum is the group's bias.
  void run_group(int group, bool& overwrite, std::span<cpu::AbsorbedSums> absorbed) {
    const float coefficient = rule_.coefficient[static_cast<std::size_t>(group)];
    const auto bytes = quotient_->memory.size() * sizeof(float);
    std::memset(quotient_->memory.data(), 0, bytes);
    std::vector<float> bias;
    for (const auto& term : terms_) {
      if (term->map.group != group) continue;
      prepare_input(*term);
      term->op->forward(0);
      cpu::add(term->map.sign, partial_->tensor, quotient_->tensor);
      bias.resize(term->bias.size());
      for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += term->map.sign * term->bias[i];
    }
    cpu::divide_epilogue(rule_, coefficient, r_top_, quotient_->tensor, bias, absorbed);
    for (const auto& term : terms_) {
      if (term->map.group != group) continue;
      prepare_input(*term);
      std::memcpy(partial_->memory.data(), quotient_->memory.data(),
                  bytes);  // backward may overwrite what it reads
      term->op->backward(0);
      const InputMap map = keeps_input(term->map.input) ? InputMap::kIdentity : term->map.input;
      cpu::accumulate_product(map, coefficient * term->map.sign, x_, share_->tensor, r_bottom_,
                              overwrite);
      overwrite = false;
    }
  }

  RelevanceRule rule_;
  bool non_negative_;
  Shape shape_;
  std::string_view implementation_;
  std::vector<std::unique_ptr<TermOp>> terms_;
  std::unique_ptr<OwnedTensor> value_, mapped_, share_, bottom_, top_, quotient_, partial_;
  OpTensor x_, r_bottom_, r_top_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                const RelevanceRule& rule) {
  return std::make_unique<LinearStep>(problem, rule);
}

}  // namespace fovea
