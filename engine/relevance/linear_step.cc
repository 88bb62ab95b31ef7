#include <algorithm>

#include "engine/backend/transfer.h"
#include "engine/core/buffer.h"
#include "engine/relevance/linear_columns.h"
#include "kernels/cpu/relevance.h"

namespace fovea {
namespace {

class LinearStep final : public RelevanceStep {
 public:
  LinearStep(const RelevanceProblem& problem, const RelevanceRule& rule)
      : kernels_(*problem.kernels),
        device_(kernels_.device()),
        columns_(problem, rule),
        rule_(columns_.rule()),
        parts_(columns_.parts()),
        bottom_layout_(columns_.bottom_layout()),
        top_layout_(columns_.top_layout()),
        non_negative_(problem.non_negative_input),
        relu_behind_(problem.relu_behind),
        has_bias_(problem.node->params.size() > 1),
        x_shape_(problem.values[0].shape),
        top_shape_(problem.top.shape) {
    plan_memory(problem);
    if (uses(InputMap::kLow)) low_ = take_bound(problem, &InputBounds::low);
    if (uses(InputMap::kHigh)) high_ = take_bound(problem, &InputBounds::high);
    constant_.resize(parts_.size());
  }

  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }
  [[nodiscard]] std::size_t own_bytes() const override { return columns_.bytes(); }

  void bind(const RelevanceBinding& binding) override {
    RelevanceStep::bind(binding);
    std::byte* at = binding.scratch;
    const auto place = [&](const Shape& shape, Layout layout) {
      const OpTensor t{reinterpret_cast<float*>(at), shape, layout};
      at += aligned(bytes_of(t));
      return t;
    };
    const auto in_layout = [&](const OpTensor& given, Layout layout) {
      return given.layout == layout ? given : place(given.shape, layout);
    };
    x_ = in_layout(binding.values[0], bottom_layout_);
    r_bottom_ = in_layout(binding.bottoms[0], bottom_layout_);
    r_top_ = in_layout(binding.tops[0], top_layout_);
    mapped_ = place(x_shape_, bottom_layout_);
    share_ = columns_.all().size() > 1 ? place(x_shape_, bottom_layout_) : r_bottom_;
    quotient_.clear();
    for (const RulePart& part : parts_)
      quotient_.push_back(place(columns_.shape_of(part), top_layout_));
    partial_ =
        columns_.all().size() > 1 ? place(columns_.shape_of(parts_[0]), top_layout_) : OpTensor{};
    if (columns_.all()[0].second) second_ = place(top_shape_, top_layout_);
    for (RuleColumn& column : columns_.all()) bind_column(column, at);
  }

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    columns_.load(weight, bias);
    for (RuleColumn& column : columns_.all()) {
      column.op->params_changed();
      if (column.second) column.second->params_changed();
    }
    for (std::size_t part = 0; part < parts_.size(); ++part) compute_constant(part);
  }

  void run(const StepReport& report) override {
    if (x_.data != binding_.values[0].data) device_.reorder(binding_.values[0], x_);
    if (r_top_.data != binding_.tops[0].data) device_.reorder(binding_.tops[0], r_top_);
    for (std::size_t part = 0; part < parts_.size(); ++part) compute_denominator(part, report);
    const std::vector<QuotientGroup> groups = quotient_groups();
    kernels_.divide(rule_, groups, r_top_, report.absorbed);
    bool first = true;
    for (RuleColumn& column : columns_.all()) {
      send_down(column, first, &column == &columns_.all().back(), report.absorbed);
      first = false;
    }
    if (r_bottom_.data != binding_.bottoms[0].data) device_.reorder(r_bottom_, binding_.bottoms[0]);
  }

  [[nodiscard]] std::int64_t weakest_unit(std::int64_t n) const override {
    return rule_.stabilizer == Stabilizer::kUndivided
               ? -1
               : kernels_.weakest_unit(quotient_groups()[0], r_top_, n);
  }

  [[nodiscard]] std::string describe() const override {
    std::size_t terms = 0;
    for (const RuleColumn& column : columns_.all())
      terms +=
          static_cast<std::size_t>(std::ranges::count_if(column.term, [](auto* t) { return t; }));
    return str(rule_.name, ": ", terms, " of ", rule_.terms, " terms in ", columns_.all().size(),
               columns_.all().size() == 1 ? " operation, " : " operations, ",
               columns_.implementation(),
               reusable_output()          ? ", z from the forward pass"
               : columns_.all()[0].second ? ", positive sums from the forward pass"
                                          : "");
  }

 private:
  void plan_memory(const RelevanceProblem& problem) {
    const std::size_t bottom = aligned(bytes_of({nullptr, x_shape_, bottom_layout_}));
    const auto top = [&](const RulePart& part) {
      return aligned(bytes_of({nullptr, columns_.shape_of(part), top_layout_}));
    };
    std::size_t bytes = bottom;  // mapped
    if (problem.values[0].layout != bottom_layout_) bytes += 2 * bottom;
    if (problem.top.layout != top_layout_)
      bytes += aligned(bytes_of({nullptr, top_shape_, top_layout_}));
    if (columns_.all().size() > 1) bytes += bottom + top(parts_[0]);
    for (const RulePart& part : parts_) bytes += top(part);
    if (columns_.all()[0].second) bytes += top({1, 1});
    scratch_bytes_ = bytes + columns_.scratch_bytes();
  }

  [[nodiscard]] bool uses(InputMap map) const {
    return std::ranges::any_of(columns_.all(), [&](const RuleColumn& c) { return c.map == map; });
  }
  [[nodiscard]] bool keeps_input(InputMap map) const {
    return map == InputMap::kIdentity || (map == InputMap::kPositive && non_negative_);
  }

  // A bound of the input for every image of the batch, in the layout of the operation.
  DeviceBuffer<float> take_bound(const RelevanceProblem& problem,
                                 Tensor<float> InputBounds::*member) const {
    const Tensor<float>* bound = problem.bounds ? &(problem.bounds->*member) : nullptr;
    require(bound && bound->shape.count() == x_shape_.count_from(1), "no mean image for layer ",
            problem.node->name, ": rule ", rule_.name, " needs one of the layer's input, ",
            x_shape_, ", expected --mean or one in the weights");
    Tensor<float> plain(x_shape_);
    for (std::int64_t n = 0; n < x_shape_.n(); ++n)
      std::copy_n(bound->values.data(), bound->shape.count(),
                  plain.values.data() + n * bound->shape.count());
    DeviceBuffer<float> memory(device_,
                               static_cast<std::size_t>(storage_count(x_shape_, bottom_layout_)));
    upload_plain(device_, plain.view(), {memory.data(), x_shape_, bottom_layout_});
    return memory;
  }

  // Where a_t(x) lies.
  [[nodiscard]] OpTensor source(InputMap map) const {
    if (keeps_input(map)) return x_;
    if (map == InputMap::kLow || map == InputMap::kHigh) {
      const DeviceBuffer<float>& bound = map == InputMap::kLow ? low_ : high_;
      return {bound.data(), x_shape_, bottom_layout_};
    }
    return mapped_;
  }
  void prepare_input(InputMap map) const {
    if (source(map).data == mapped_.data) kernels_.apply_map(map, x_, mapped_);
  }

  void bind_column(RuleColumn& column, std::byte* scratch) {
    const bool alone = columns_.all().size() == 1;
    OpTensor top = quotient_[column.part];
    OpBinding op{.device = &device_};
    op.bottoms = {source(column.map)};
    op.tops = {&column == columns_.first_dynamic(column.part) || alone
                   ? top
                   : with_shape(partial_, top.shape)};
    op.bottom_grads = {share_};
    op.top_grads = {&column == &columns_.all().back() ? top : with_shape(partial_, top.shape)};
    for (DeviceBuffer<float>& param : column.params) op.params.push_back(param.data());
    op.param_grads.assign(column.params.size(), nullptr);
    op.state = column.state.data();
    op.scratch = scratch;
    column.op->bind(op);
    if (!column.second) return;
    op.tops =
        op.top_grads = {&column == &columns_.all()[0] ? second_ : with_shape(partial_, top_shape_)};
    op.params.clear();
    for (DeviceBuffer<float>& param : column.second_params) op.params.push_back(param.data());
    column.second->bind(op);
  }
  static OpTensor with_shape(OpTensor t, const Shape& shape) {
    t.shape = shape;
    return t;
  }

  // What the columns that ignore x add to Z, one image; needs a bound step.
  void compute_constant(std::size_t part) {
    constant_[part] = {};
    if (rule_.stabilizer == Stabilizer::kUndivided) return;
    const OpTensor& z = quotient_[part];
    const auto size = static_cast<std::size_t>(storage_count(z.shape, z.layout) / z.shape.n());
    for (const RuleColumn& column : columns_.all()) {
      if (column.part != part || !column.is_constant()) continue;
      if (constant_[part].size() == 0) constant_[part] = DeviceBuffer<float>(device_, size);
      OpTensor image{constant_[part].data(), z.shape, z.layout};
      image.shape[0] = 1;
      if (column.every_tap()) {
        add_taps(part, image);
      } else {
        prepare_input(column.map);
        column.op->forward(0);
        const bool direct = columns_.all().size() == 1;
        kernels_.add_to_images(direct ? z.data : partial_.data, image);
      }
    }
  }
  void add_taps(std::size_t part, const OpTensor& image) const {
    const DeviceBuffer<float> taps(
        device_, static_cast<std::size_t>(storage_count(image.shape, image.layout)));
    upload_plain(device_, columns_.image_of_taps(part).view(),
                 {taps.data(), image.shape, image.layout});
    kernels_.add_to_images(taps.data(), image);
  }

  // ---- the walk

  // z is the layer's output as the forward pass left it where the table asks for z itself.
  [[nodiscard]] bool reusable_output() const {
    const RelevanceTerm& term = rule_.term[0];
    return rule_.terms == 1 && term.input == InputMap::kIdentity &&
           term.weight == WeightMap::kIdentity && !rule_.group0_biases &&
           (term.bias == BiasMap::kIdentity || !has_bias_);
  }

  void compute_denominator(std::size_t part, const StepReport& report) {
    if (rule_.stabilizer == Stabilizer::kUndivided) return;
    const OpTensor& z = quotient_[part];
    if (reusable_output() && output_is_sum(report)) {
      device_.reorder(binding_.top_values[0], z);
      return;
    }
    if (columns_.all()[0].second && columns_.biases_make_bias() && relu_behind_ &&
        binding_.tops[0].layout == top_layout_ && output_serves(report))
      return complete_from_output();
    const RuleColumn* first = columns_.first_dynamic(part);
    for (RuleColumn& column : columns_.all()) {
      if (column.part != part || column.is_constant()) continue;
      prepare_input(column.map);
      column.op->forward(0);
      if (&column != first) kernels_.add(1, with_shape(partial_, z.shape), z);
    }
    if (constant_[part].size() == 0) return;
    if (!first) device_.clear(z.data, bytes_of(z));
    kernels_.add_to_images(constant_[part].data(), z);
  }

  // The layer's output is z itself, or max(z, 0) where that is as good.
  [[nodiscard]] bool output_is_sum(const StepReport& report) const {
    return !binding_.top_values.empty() && (!relu_behind_ || output_serves(report));
  }
  // Relevance stands nowhere but where the output is positive.
  [[nodiscard]] bool output_serves(const StepReport& report) const {
    if (binding_.top_values.empty()) return false;
    const OpTensor &y = binding_.top_values[0], &r = binding_.tops[0];
    if (report.unserved) {
      kernels_.note_unserved(y, r, report.unserved);
      return true;
    }
    const bool serves = kernels_.output_serves(y, r);
    if (!serves && report.asked_in_vain) *report.asked_in_vain = true;
    return serves;
  }

  // Half the work: only group 1 by its operations, group 0 as what is left of z.
  void complete_from_output() {
    for (RuleColumn& column : columns_.all()) {
      prepare_input(column.map);
      column.second->forward(0);
      if (&column != &columns_.all()[0]) kernels_.add(1, with_shape(partial_, top_shape_), second_);
    }
    kernels_.complete_sums(binding_.top_values[0], second_, quotient_groups());
  }

  [[nodiscard]] std::vector<QuotientGroup> quotient_groups() const {
    std::vector<QuotientGroup> groups;
    const std::int64_t lanes =
        top_shape_.rank() == 2 ? columns_.outputs() : channel_block(top_layout_);
    const std::int64_t blocks = (columns_.outputs() + lanes - 1) / lanes;
    for (int group = 0; group < rule_.groups; ++group) {
      const auto g = static_cast<std::size_t>(group);
      const std::size_t part = parts_.size() > 1 ? g : 0;
      const OpTensor& z = quotient_[part];
      const bool side_by_side = parts_[part].groups > 1;
      const std::int64_t run = side_by_side ? blocks / columns_.conv_groups() : blocks;
      // Floats from one block to the next.
      const std::int64_t plane =
          top_layout_ == Layout::kChannelsLast ? 1 : z.shape.h() * z.shape.w() * lanes;
      groups.push_back({.data = z.data + (side_by_side ? group * run * plane : 0),
                        .image_size = storage_count(z.shape, z.layout) / z.shape.n(),
                        .run = run,
                        .stride = run * parts_[part].groups,
                        .coefficient = rule_.coefficient[g],
                        .bias = columns_.bias(g),
                        .taps = columns_.taps(g)});
    }
    return groups;
  }

  // R_bottom (+)= a(x) * (weights^T S).
  void send_down(RuleColumn& column, bool first, bool last, std::span<AbsorbedSums> absorbed) {
    const OpTensor& s = quotient_[column.part];
    if (columns_.pixels()) {
      cpu::pixel_shares(*columns_.pixels(), s, column.pixel_weights.data(), share_);
    } else {
      // backward may overwrite what it reads
      if (!last) device_.copy(partial_.data, s.data, bytes_of(s));
      column.op->backward(0);
    }
    if (column.every_tap()) kernels_.take_arrived(share_, absorbed);
    const bool given =
        keeps_input(column.map) || column.map == InputMap::kLow || column.map == InputMap::kHigh;
    const InputMap map = given ? InputMap::kIdentity : column.map;
    const OpTensor factor = given ? source(column.map) : x_;
    if (first && map == InputMap::kOne && share_.data == r_bottom_.data) return;
    kernels_.accumulate_product(map, 1, factor, share_, r_bottom_, first);
  }

  RelevanceKernels& kernels_;
  Device& device_;
  LinearColumns columns_;
  const RelevanceRule& rule_;
  const std::vector<RulePart>& parts_;
  Layout bottom_layout_, top_layout_;
  bool non_negative_, relu_behind_, has_bias_;
  Shape x_shape_, top_shape_;
  std::size_t scratch_bytes_ = 0;
  DeviceBuffer<float> low_, high_;             // bounds of the input, every image
  std::vector<DeviceBuffer<float>> constant_;  // per part: what ignores x in Z, one image
  OpTensor x_, r_bottom_, r_top_, mapped_, share_, partial_, second_;
  std::vector<OpTensor> quotient_;  // per part
};

}  // namespace

std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                const RelevanceRule& rule) {
  return std::make_unique<LinearStep>(problem, rule);
}

}  // namespace fovea
