#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

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
    if (const auto* p = std::get_if<ConvolutionParams>(&op.params); p && rule.group0_biases)
      shared_biases_ = static_cast<std::size_t>(p->outputs / p->groups);
    for (const RelevanceTerm& term : rule.table()) {
      if (non_negative_ && term.input == InputMap::kNegative) continue;
      expects(term.sum == TermSum::kInside || term.bias == BiasMap::kZero, "sums of taps alone");
      ChosenOp chosen = create_op(problem.device, op);
      implementation_ = chosen.implementation;
      terms_.push_back(std::make_unique<TermOp>(
          term, std::move(chosen.op), problem.node->params.size(), problem.top.shape.c()));
    }
    const Op& first = *terms_[0]->op;
    value_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    share_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    bottom_ = std::make_unique<OwnedTensor>(shape_, first.bottom_layout(0));
    top_ = std::make_unique<OwnedTensor>(problem.top.shape, first.top_layout(0));
    if (std::ranges::any_of(rule.table(), [](auto& t) { return t.input == InputMap::kMean; }))
      take_mean(problem);
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
      if (!as_it_is && !mapped_ && term->map.input != InputMap::kMean)
        mapped_ = std::make_unique<OwnedTensor>(shape_, layout);
      OpBinding op;
      op.bottoms = {as_it_is ? x_ : source(term->map.input)};
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
      if (term->map.sum == TermSum::kEveryTap) sum_taps(*term, plain);
      term->bias.assign(bias.begin(), bias.end());
      for (std::size_t k = 0; k < bias.size(); ++k)
        term->bias[k] = mapped(term->map.bias, bias[shared_biases_ > 0 ? k % shared_biases_ : k]);
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
    std::int64_t outputs;
    std::vector<float> bias;      // mapped, plain
    std::vector<float> tap_sums;  // kEveryTap: of the mapped weights, per output
    Buffer<std::byte> state, scratch;

    TermOp(const RelevanceTerm& t, std::unique_ptr<Op> o, std::size_t param_count, std::int64_t k)
        : map(t),
          op(std::move(o)),
          outputs(k),
          state(op->state_bytes()),
          scratch(op->scratch_bytes()) {
      for (std::size_t i = 0; i < param_count; ++i)
        params.emplace_back(static_cast<std::size_t>(op->param_storage(i)));
    }
  };

  [[nodiscard]] bool keeps_input(InputMap map) const {
    return map == InputMap::kIdentity || (map == InputMap::kPositive && non_negative_);
  }

  // The mean image for every image of the batch, in the layout of the operation.
  void take_mean(const RelevanceProblem& problem) {
    require(problem.mean && problem.mean->shape.count() == shape_.count_from(1),
            "no mean image for layer ", problem.node->name, ": rule ", rule_.name,
            " needs one of the layer's input, ", shape_, ", expected --mean or one in the weights");
    Tensor<float> plain(shape_);
    for (std::int64_t n = 0; n < shape_.n(); ++n)
      std::copy_n(problem.mean->values.data(), problem.mean->shape.count(),
                  plain.values.data() + n * problem.mean->shape.count());
    mean_ = std::make_unique<OwnedTensor>(shape_, value_->tensor.layout);
    reorder({plain.values.data(), shape_, Layout::kPlain}, mean_->tensor);
  }

  static void sum_taps(TermOp& term, std::span<const float> weights) {
    const std::size_t taps = weights.size() / static_cast<std::size_t>(term.outputs);
    term.tap_sums.clear();
    for (std::size_t k = 0; k < weights.size(); k += taps) {
      const auto of_output = weights.subspan(k, taps);
      term.tap_sums.push_back(
          static_cast<float>(std::accumulate(of_output.begin(), of_output.end(), 0.0)));
    }
  }

  // Where a_t(x) lies that is not x itself.
  [[nodiscard]] OpTensor source(InputMap map) const {
    return map == InputMap::kMean ? mean_->tensor : mapped_->tensor;
  }

  // Puts a_t(x) where the term's operation reads it.
  void prepare_input(const TermOp& term) const {
    if (keeps_input(term.map.input) || term.map.input == InputMap::kMean) return;
    cpu::apply_map(term.map.input, x_, mapped_->tensor);
  }

  void add_to_denominator(TermOp& term) const {
    if (term.map.sum == TermSum::kEveryTap)
      return cpu::add_per_channel(term.map.sign, term.tap_sums, quotient_->tensor);
    prepare_input(term);
    term.op->forward(0);
    cpu::add(term.map.sign, partial_->tensor, quotient_->tensor);
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
      if (rule_.stabilizer != Stabilizer::kUndivided) add_to_denominator(*term);
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
      const bool mean = term->map.input == InputMap::kMean;
      const InputMap map =
          mean || keeps_input(term->map.input) ? InputMap::kIdentity : term->map.input;
      cpu::accumulate_product(map, coefficient * term->map.sign, mean ? mean_->tensor : x_,
                              share_->tensor, r_bottom_, overwrite);
      overwrite = false;
    }
  }

  RelevanceRule rule_;
  bool non_negative_;
  Shape shape_;
  std::string_view implementation_;
  std::vector<std::unique_ptr<TermOp>> terms_;
  std::size_t shared_biases_ = 0;  // outputs per group where all read group 0's
  std::unique_ptr<OwnedTensor> value_, mapped_, mean_, share_, bottom_, top_, quotient_, partial_;
  OpTensor x_, r_bottom_, r_top_;
};

}  // namespace

std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                const RelevanceRule& rule) {
  return std::make_unique<LinearStep>(problem, rule);
}

}  // namespace fovea
