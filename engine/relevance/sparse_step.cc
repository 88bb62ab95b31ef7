// Linear layers behind which a ReLU or a max pooling stands: relevance comes back to few of their
// outputs, and as little as pays is computed for the others (kernels/cpu/sparse_linear.h).
#include <algorithm>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/relevance/linear_columns.h"
#include "kernels/cpu/sparse_linear.h"

namespace fovea {
namespace {

// Which products of weights and inputs the groups of a rule count.
enum class Counted : std::uint8_t { kAll, kPositive, kBothApart, kOther };

// The sign of the products that a term takes; 0: not one sign.
int sign_of(const RelevanceTerm& term) {
  const auto x = term.input == InputMap::kPositive   ? 1
                 : term.input == InputMap::kNegative ? -1
                                                     : 0,
             w = term.weight == WeightMap::kPositive   ? 1
                 : term.weight == WeightMap::kNegative ? -1
                                                       : 0;
  return x * w;
}

Counted counted_by(const RelevanceRule& rule, bool non_negative) {
  std::array<int, RelevanceRule::kMaxGroups> terms{};
  for (RelevanceTerm term : rule.table()) {
    if (non_negative && term.input == InputMap::kNegative) continue;
    if (non_negative && term.input == InputMap::kIdentity) term.input = InputMap::kPositive;
    if (term.sign != 1 || term.sum != TermSum::kInside) return Counted::kOther;
    if (rule.terms == 1 && term.input == InputMap::kPositive &&
        term.weight == WeightMap::kIdentity && non_negative)
      return Counted::kAll;
    if (sign_of(term) != (term.group == 0 ? 1 : -1)) return Counted::kOther;
    ++terms[term.group];
  }
  // Products of two signs come from one term of x >= 0, two of any x.
  const int whole = non_negative ? 1 : 2;
  if (terms[0] != whole || (rule.groups == 2 && terms[1] != whole)) return Counted::kOther;
  return rule.groups == 2 ? Counted::kBothApart : Counted::kPositive;
}

// Sums of all outputs by the layer's own operation, where more of them matter than pays to pick.
class DenseSums {
 public:
  DenseSums(const RelevanceProblem& problem, Device& device) : device_(device) {
    ChosenOp chosen = create_op(problem.device, {.params = problem.node->op,
                                                 .bottoms = {problem.values[0].shape},
                                                 .tops = {problem.top.shape},
                                                 .bottom_layouts = {problem.values[0].layout},
                                                 .propagate = {false},
                                                 .exact_zeros = true});
    implementation_ = chosen.implementation;
    op_ = std::move(chosen.op);
    for (std::size_t i = 0; i < problem.node->params.size(); ++i)
      params_.emplace_back(device_, static_cast<std::size_t>(op_->param_storage(i)));
    state_ = DeviceBuffer<std::byte>(device_, op_->state_bytes());
  }
  [[nodiscard]] bool takes(const OpTensor& x, const OpTensor& top) const {
    return op_->bottom_layout(0) == x.layout && op_->top_layout(0) == top.layout;
  }
  [[nodiscard]] std::string_view implementation() const { return implementation_; }
  [[nodiscard]] std::size_t scratch_bytes() const { return op_->scratch_bytes(); }
  [[nodiscard]] std::size_t own_bytes() const {
    std::size_t bytes = state_.size();
    for (const auto& param : params_) bytes += param.bytes();
    return bytes;
  }
  // Behind bind().
  void load(std::span<const float> weights, std::span<const float> biases) {
    op_->pack_param(0, weights.data(), params_[0].data());
    if (params_.size() > 1) op_->pack_param(1, biases.data(), params_[1].data());
    op_->params_changed();
  }
  void bind(const OpTensor& x, const OpTensor& z, std::byte* scratch) {
    OpBinding binding{.device = &device_, .bottoms = {x}, .tops = {z}};
    binding.bottom_grads = binding.top_grads = {OpTensor{}};
    for (auto& param : params_) binding.params.push_back(param.data());
    binding.param_grads.assign(params_.size(), nullptr);
    binding.state = state_.data();
    binding.scratch = scratch;
    op_->bind(binding);
  }
  void run() { op_->forward(0); }

 private:
  Device& device_;
  std::string_view implementation_;
  std::unique_ptr<Op> op_;
  std::vector<DeviceBuffer<float>> params_;
  DeviceBuffer<std::byte> state_;
};

bool is_pointwise(const OpParams& op) {
  const auto* p = std::get_if<ConvolutionParams>(&op);
  return p && p->kernel[0] == 1 && p->kernel[1] == 1;
}

class SparseStep final : public RelevanceStep {
 public:
  SparseStep(const RelevanceProblem& problem, const RelevanceRule& rule, Counted counted,
             std::unique_ptr<cpu::SparseLinear> layer)
      : kernels_(*problem.kernels),
        rule_(rule),
        counted_(counted),
        has_bias_(problem.node->params.size() > 1),
        any_sign_(!problem.non_negative_input),
        layer_(std::move(layer)),
        top_(problem.top),
        weights_(static_cast<std::size_t>(layer_->weight_count())) {
    if (const auto* p = std::get_if<ConvolutionParams>(&problem.node->op)) conv_groups_ = p->groups;
    if (counted == Counted::kBothApart && problem.relevant == RelevantOutputs::kActive &&
        is_pointwise(problem.node->op) && !any_sign_)
      dense_ = std::make_unique<DenseSums>(problem, kernels_.device());
    if (dense_ && !dense_->takes(problem.values[0], problem.top)) dense_.reset();
  }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return layer_->scratch_bytes() + groups() * z_bytes() + (dense_ ? dense_->scratch_bytes() : 0);
  }
  [[nodiscard]] std::size_t own_bytes() const override {
    return weights_.size() * sizeof(float) + (dense_ ? dense_->own_bytes() : 0);
  }

  void bind(const RelevanceBinding& binding) override {
    RelevanceStep::bind(binding);
    std::byte* at = binding.scratch;
    layer_->bind(at);
    at += layer_->scratch_bytes();
    for (std::size_t g = 0; g < groups(); ++g, at += z_bytes())
      z_[g] = {reinterpret_cast<float*>(at), top_.shape, top_.layout};
    if (dense_) dense_->bind(binding.values[0], z_[1], at);
  }

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    for (std::size_t g = 0; g < groups(); ++g)
      bias_[g] = mapped_bias(rule_, static_cast<int>(g), conv_groups_, bias);
    biases_make_bias_ = biases_add_up(std::span(bias_).first(groups()), bias);
    std::vector<float> part(weight.begin(), weight.end());
    if (positive_weights_alone()) {
      for (float& w : part) w = std::max(w, 0.0F);
    }
    layer_->pack(part, weights_.data());
    if (!dense_) return;
    for (float& w : part) w = std::min(w, 0.0F);
    dense_->load(part, bias_[1]);
  }

  void run(const StepReport& report) override {
    layer_->mark(binding_.tops[0]);
    if (rule_.stabilizer != Stabilizer::kUndivided) compute_denominators();
    kernels_.divide(rule_, quotient_groups(), binding_.tops[0], report.absorbed);
    const bool one = counted_ == Counted::kAll || positive_weights_alone();
    layer_->shares(weights_.data(), z_[0], one ? z_[0] : z_[1], binding_.values[0],
                   binding_.bottoms[0]);
  }

  [[nodiscard]] std::int64_t weakest_unit(std::int64_t n) const override {
    return rule_.stabilizer == Stabilizer::kUndivided
               ? -1
               : kernels_.weakest_unit(quotient_groups()[0], binding_.tops[0], n);
  }

  [[nodiscard]] std::string describe() const override {
    return str(rule_.name, ": products of relevant outputs, cpu:sparse",
               counted_ == Counted::kAll         ? ", z from the forward pass"
               : counted_ == Counted::kBothApart ? ", positive sums from the forward pass"
                                                 : "",
               dense_ ? str(", negative sums by ", dense_->implementation()) : "");
  }

 private:
  [[nodiscard]] std::size_t groups() const { return static_cast<std::size_t>(rule_.groups); }
  [[nodiscard]] std::size_t z_bytes() const { return aligned(bytes_of(top_)); }
  // Of x >= 0 they make the positive products, so that nothing has to be chosen.
  [[nodiscard]] bool positive_weights_alone() const {
    return counted_ == Counted::kPositive && !any_sign_;
  }

  void compute_denominators() {
    const bool usable = !binding_.top_values.empty() &&
                        kernels_.output_serves(binding_.top_values[0], binding_.tops[0]);
    const bool z_itself = rule_.term[0].bias == BiasMap::kIdentity && !rule_.group0_biases;
    if (counted_ == Counted::kAll && usable && (z_itself || !has_bias_))
      return kernels_.device().reorder(binding_.top_values[0], z_[0]);
    const bool completed = counted_ == Counted::kBothApart && usable && biases_make_bias_;
    if (!dense_ || !completed) layer_->take_input(binding_.values[0]);
    if (counted_ == Counted::kBothApart) {
      if (dense_) {
        dense_->run();
      } else {
        layer_->sums(cpu::Products::kNegative, weights_.data(), bias_[1], z_[1]);
      }
      if (completed)
        return kernels_.complete_sums(binding_.top_values[0], z_[1], quotient_groups());
    }
    const bool all = counted_ == Counted::kAll || positive_weights_alone();
    layer_->sums(all ? cpu::Products::kAll : cpu::Products::kPositive, weights_.data(), bias_[0],
                 z_[0]);
  }

  [[nodiscard]] std::vector<QuotientGroup> quotient_groups() const {
    std::vector<QuotientGroup> result;
    const std::int64_t lanes = top_.shape.rank() == 2 ? top_.shape.c() : channel_block(top_.layout),
                       blocks = (top_.shape.c() + lanes - 1) / lanes;
    for (std::size_t g = 0; g < groups(); ++g)
      result.push_back({.data = z_[g].data,
                        .image_size = z_[g].image_size(),
                        .run = blocks,
                        .stride = blocks,
                        .coefficient = rule_.coefficient[g],
                        .bias = bias_[g]});
    return result;
  }

  RelevanceKernels& kernels_;
  const RelevanceRule rule_;
  const Counted counted_;
  std::int64_t conv_groups_ = 1;
  const bool has_bias_, any_sign_;  // the latter of the input
  const std::unique_ptr<cpu::SparseLinear> layer_;
  const OpTensor top_;
  Buffer<float> weights_;
  std::unique_ptr<DenseSums> dense_;  // of negative products
  std::array<std::vector<float>, RelevanceRule::kMaxGroups> bias_;
  std::array<OpTensor, RelevanceRule::kMaxGroups> z_;  // then S
  bool biases_make_bias_ = true;
};

// Where it is faster than the layer's own operations.
bool pays(const RelevanceProblem& problem, Counted counted) {
  return problem.relevant == RelevantOutputs::kWinners ||
         (problem.relevant == RelevantOutputs::kActive &&
          (counted == Counted::kBothApart || !is_pointwise(problem.node->op)));
}

std::unique_ptr<cpu::SparseLinear> sparse_layer(const RelevanceProblem& problem) {
  const OpTensor& x = problem.values[0];
  const auto* p = std::get_if<ConvolutionParams>(&problem.node->op);
  if (!p) return cpu::make_sparse_product(x, problem.top);
  return cpu::make_sparse_convolution(*p, x, problem.top);
}

}  // namespace

std::unique_ptr<RelevanceStep> make_sparse_step(const RelevanceProblem& problem,
                                                const RelevanceRule& rule) {
  const Counted counted = counted_by(rule, problem.non_negative_input);
  if (problem.device != "cpu" || counted == Counted::kOther || !pays(problem, counted) ||
      rule.stabilizer == Stabilizer::kRelative)
    return nullptr;
  // Of any sign only pixels, which are a convolution's.
  const bool pixels = problem.values[0].layout == Layout::kPlain &&
                      std::holds_alternative<ConvolutionParams>(problem.node->op);
  if (!problem.non_negative_input && !pixels) return nullptr;
  auto layer = sparse_layer(problem);
  return layer ? std::make_unique<SparseStep>(problem, rule, counted, std::move(layer)) : nullptr;
}

}  // namespace fovea
