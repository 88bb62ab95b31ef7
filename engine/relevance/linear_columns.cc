#include "engine/relevance/linear_columns.h"

#include <algorithm>
#include <numeric>

#include "engine/backend/registry.h"
#include "kernels/cpu/relevance.h"

namespace fovea {

bool RuleColumn::every_tap() const {
  return std::ranges::any_of(term, [](auto* t) { return t && t->sum == TermSum::kEveryTap; });
}

std::vector<float> mapped_bias(const RelevanceRule& rule, int group, std::int64_t conv_groups,
                               std::span<const float> bias) {
  const std::size_t shared = bias.size() / static_cast<std::size_t>(conv_groups);
  std::vector<float> result(bias.size());
  for (const RelevanceTerm& term : rule.table()) {
    if (term.group != group) continue;
    for (std::size_t k = 0; k < bias.size(); ++k)
      result[k] +=
          term.sign * mapped(term.bias, bias[rule.group0_biases ? k % shared : k], rule.gamma);
  }
  return result;
}

bool biases_add_up(std::span<const std::vector<float>> groups, std::span<const float> bias) {
  for (std::size_t k = 0; groups.size() > 1 && k < bias.size(); ++k) {
    if (groups[0][k] + groups[1][k] != bias[k]) return false;
  }
  return true;
}

LinearColumns::LinearColumns(const RelevanceProblem& problem, const RelevanceRule& rule)
    : rule_(rule),
      device_(problem.kernels->device()),
      non_negative_(problem.non_negative_input),
      x_shape_(problem.values[0].shape),
      top_shape_(problem.top.shape) {
  const auto* p = std::get_if<ConvolutionParams>(&problem.node->op);
  conv_groups_ = p ? p->groups : 1;
  // Pixels: the library has no fast way back to so few channels.
  if (p && problem.device == "cpu" && conv_groups_ == 1 && x_shape_.c() <= 4) pixels_ = *p;
  outputs_ = top_shape_.c();
  split_parts();
  collect(problem);
  bias_.resize(static_cast<std::size_t>(rule_.groups));
  taps_.resize(bias_.size());
  bias_there_.resize(bias_.size());
  taps_there_.resize(bias_.size());
}

// Side by side where a block of channels then belongs to one group; else apart.
void LinearColumns::split_parts() {
  constexpr std::int64_t kLargestBlock = 16;
  const bool flat = top_shape_.rank() == 2;
  if (rule_.groups == 1 || flat || outputs_ / conv_groups_ % kLargestBlock == 0) {
    parts_ = {{0, rule_.groups}};
  } else {
    for (int group = 0; group < rule_.groups; ++group) parts_.push_back({group, 1});
  }
}

void LinearColumns::collect(const RelevanceProblem& problem) {
  for (const RelevanceTerm& term : rule_.table()) {
    if (non_negative_ && term.input == InputMap::kNegative) continue;
    const auto part = static_cast<std::size_t>(parts_.size() > 1 ? term.group : 0);
    auto column = std::ranges::find_if(columns_, [&](const RuleColumn& c) {
      return c.map == term.input && c.part == part && !c.term[slot(term, part)];
    });
    if (column == columns_.end()) {
      columns_.push_back({.map = term.input, .part = part});
      column = std::prev(columns_.end());
      make_operations(problem, *column);
    }
    column->term[slot(term, part)] = &term;
  }
  bottom_layout_ = columns_[0].op->bottom_layout(0), top_layout_ = columns_[0].op->top_layout(0);
  for (const RuleColumn& column : columns_) {
    expects(
        column.op->bottom_layout(0) == bottom_layout_ && column.op->top_layout(0) == top_layout_,
        "operations of one rule in one layout");
  }
}

void LinearColumns::make_operations(const RelevanceProblem& problem, RuleColumn& column) {
  const RulePart& part = parts_[column.part];
  ChosenOp chosen = create_op(problem.device, problem_of(problem, part));
  if (pixels_ && chosen.op->bottom_layout(0) != Layout::kPlain) {
    pixels_.reset();
    chosen = create_op(problem.device, problem_of(problem, part));
  }
  implementation_ = chosen.implementation;
  column.op = std::move(chosen.op);
  if (rule_.groups_make_z && parts_.size() == 1)
    column.second = create_op(problem.device, problem_of(problem, {1, 1})).op;
  column.state = DeviceBuffer<std::byte>(device_, column.op->state_bytes());
  for (std::size_t i = 0; i < problem.node->params.size(); ++i) {
    column.params.emplace_back(device_, static_cast<std::size_t>(column.op->param_storage(i)));
    if (column.second)
      column.second_params.emplace_back(device_,
                                        static_cast<std::size_t>(column.second->param_storage(i)));
  }
}

std::size_t LinearColumns::slot(const RelevanceTerm& term, std::size_t part) const {
  return static_cast<std::size_t>(term.group - parts_[part].first_group);
}

OpProblem LinearColumns::problem_of(const RelevanceProblem& problem, const RulePart& part) const {
  OpProblem op{.params = problem.node->op,
               .bottoms = {x_shape_},
               .tops = {shape_of(part)},
               .bottom_layouts = {pixels_ ? Layout::kPlain : problem.values[0].layout},
               .propagate = {!pixels_},
               .training = true,
               .exact_zeros = true};
  if (auto* p = std::get_if<ConvolutionParams>(&op.params)) p->outputs *= part.groups;
  if (auto* p = std::get_if<InnerProductParams>(&op.params)) p->outputs *= part.groups;
  return op;
}

Shape LinearColumns::shape_of(const RulePart& part) const {
  Shape shape = top_shape_;
  shape[1] *= part.groups;
  return shape;
}

const RuleColumn* LinearColumns::first_dynamic(std::size_t part) const {
  for (const RuleColumn& column : columns_) {
    if (column.part == part && !column.is_constant()) return &column;
  }
  return nullptr;
}

std::size_t LinearColumns::bytes() const {
  std::size_t bytes = 0;
  for (const RuleColumn& column : columns_) {
    bytes += column.state.size();
    for (const auto* params : {&column.params, &column.second_params}) {
      for (const auto& param : *params) bytes += param.bytes();
    }
  }
  return bytes;
}
std::size_t LinearColumns::scratch_bytes() const {
  std::size_t bytes = 0;
  for (const RuleColumn& column : columns_) {
    bytes = std::max(bytes, column.op->scratch_bytes());
    if (column.second) bytes = std::max(bytes, column.second->scratch_bytes());
  }
  return bytes;
}

namespace {
// A copy of `values` in the device's memory.
void copy_there(Device& device, const std::vector<float>& values, DeviceBuffer<float>& there) {
  if (there.size() != values.size()) there = DeviceBuffer<float>(device, values.size());
  device.upload(there.data(), values.data(), there.bytes());
}
}  // namespace

void LinearColumns::load(std::span<const float> weight, std::span<const float> bias) {
  for (int group = 0; group < rule_.groups; ++group)
    bias_[static_cast<std::size_t>(group)] = mapped_bias(rule_, group, conv_groups_, bias);
  biases_make_bias_ = biases_add_up(bias_, bias);
  for (RuleColumn& column : columns_) load_column(column, weight);
  for (std::size_t g = 0; g < bias_.size(); ++g) {
    copy_there(device_, bias_[g], bias_there_[g]);
    copy_there(device_, taps_[g], taps_there_[g]);
  }
}

std::span<const float> LinearColumns::bias(std::size_t g) const {
  return {bias_there_[g].data(), bias_there_[g].size()};
}
std::span<const float> LinearColumns::taps(std::size_t g) const {
  return {taps_there_[g].data(), taps_there_[g].size()};
}

// Calls visit(output of the layer, group in the part, output of the operation).
template <class Visit>
void LinearColumns::for_each_output(const RulePart& part, Visit&& visit) const {
  const std::int64_t run = outputs_ / conv_groups_;
  for (std::int64_t k = 0; k < outputs_; ++k) {
    for (int group = 0; group < part.groups; ++group)
      visit(static_cast<std::size_t>(k), static_cast<std::size_t>(group),
            static_cast<std::size_t>((k / run * part.groups + group) * run + k % run));
  }
}

void LinearColumns::load_column(RuleColumn& column, std::span<const float> weight) {
  const RulePart& part = parts_[column.part];
  const std::size_t row = weight.size() / static_cast<std::size_t>(outputs_);
  std::vector<float> weights(weight.size() * static_cast<std::size_t>(part.groups)),
      biases(static_cast<std::size_t>(outputs_ * part.groups));
  const bool with_bias = &column == first_dynamic(column.part) && !bias_[0].empty();
  for_each_output(part, [&](std::size_t k, std::size_t group, std::size_t at) {
    const RelevanceTerm* term = column.term[group];
    if (with_bias) biases[at] = bias_[static_cast<std::size_t>(part.first_group) + group][k];
    if (!term) return;
    std::ranges::transform(
        weight.subspan(k * row, row), weights.begin() + static_cast<std::ptrdiff_t>(at * row),
        [&](float w) { return term->sign * mapped(term->weight, w, rule_.gamma); });
  });
  put(*column.op, 0, weights, column.params[0]);
  if (column.params.size() > 1) put(*column.op, 1, biases, column.params[1]);
  column.op->params_changed();
  if (column.second) load_second(column, weight, row);
  if (pixels_) keep_pixel_weights(column, weights, row);
  if (column.every_tap()) sum_taps(column, weights, row);
}

void LinearColumns::load_second(RuleColumn& column, std::span<const float> weight,
                                std::size_t row) {
  const RelevanceTerm* term = column.term[1];
  std::vector<float> weights(static_cast<std::size_t>(outputs_) * row),
      biases(static_cast<std::size_t>(outputs_));
  std::ranges::transform(weight, weights.begin(), [&](float w) {
    return term->sign * mapped(term->weight, w, rule_.gamma);
  });
  if (&column == &columns_[0] && !bias_[1].empty()) biases = bias_[1];
  put(*column.second, 0, weights, column.second_params[0]);
  if (column.second_params.size() > 1) put(*column.second, 1, biases, column.second_params[1]);
  column.second->params_changed();
}

void LinearColumns::keep_pixel_weights(RuleColumn& column, std::span<const float> weights,
                                       std::size_t row) const {
  const auto width = static_cast<std::size_t>(cpu::pixel_row(*pixels_, x_shape_.c()));
  const std::size_t outputs = weights.size() / row;
  column.pixel_weights.assign(outputs * width, 0.0F);
  for (std::size_t k = 0; k < outputs; ++k)
    std::ranges::copy(weights.subspan(k * row, row),
                      column.pixel_weights.begin() + static_cast<std::ptrdiff_t>(k * width));
}

// Per output of the layer, the sum over every tap of the column's weights.
void LinearColumns::sum_taps(const RuleColumn& column, std::span<const float> weights,
                             std::size_t row) {
  const RulePart& part = parts_[column.part];
  for_each_output(part, [&](std::size_t k, std::size_t group, std::size_t at) {
    auto& taps = taps_[static_cast<std::size_t>(part.first_group) + group];
    taps.resize(static_cast<std::size_t>(outputs_));
    const auto of_output = weights.subspan(at * row, row);
    taps[k] = static_cast<float>(std::accumulate(of_output.begin(), of_output.end(), 0.0));
  });
}

void LinearColumns::put(const Op& op, std::size_t param, const std::vector<float>& plain,
                        const DeviceBuffer<float>& to) const {
  if (device_.host_memory()) return op.pack_param(param, plain.data(), to.data());
  std::vector<float> packed(to.size());
  op.pack_param(param, plain.data(), packed.data());
  device_.upload(to.data(), packed.data(), to.bytes());
}

Tensor<float> LinearColumns::image_of_taps(std::size_t part) const {
  Shape shape = shape_of(parts_[part]);
  shape[0] = 1;
  Tensor<float> plain(shape);
  const std::int64_t positions = shape.h() * shape.w();
  for_each_output(parts_[part], [&](std::size_t k, std::size_t group, std::size_t at) {
    const float sum = taps_[static_cast<std::size_t>(parts_[part].first_group) + group][k];
    std::fill_n(plain.values.begin() + static_cast<std::ptrdiff_t>(at) * positions, positions, sum);
  });
  return plain;
}

}  // namespace fovea
