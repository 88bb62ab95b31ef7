#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/relevance/step.h"
#include "kernels/cpu/reorder.h"

namespace fovea {
namespace {

std::size_t bytes_of(const OpTensor& t) {
  return static_cast<std::size_t>(storage_count(t.shape, t.layout)) * sizeof(float);
}

// Groups of a table whose quotients are the outputs of one operation, side by side within each
// group of the convolution.
struct Part {
  int first_group, groups;
};

// One operation: the terms of a part that read the same map of the input.
struct Column {
  InputMap map;
  std::size_t part = 0;
  std::array<const RelevanceTerm*, RelevanceRule::kMaxGroups> term{};  // per group of the part
  std::unique_ptr<Op> op;
  std::vector<Buffer<float>> params;
  Buffer<std::byte> state;
  std::vector<float> pixel_weights;  // for cpu::pixel_shares
  // Group 1 alone, where the forward pass gives the sum of both groups.
  std::unique_ptr<Op> second;
  std::vector<Buffer<float>> second_params;

  [[nodiscard]] bool every_tap() const {
    return std::ranges::any_of(term, [](auto* t) { return t && t->sum == TermSum::kEveryTap; });
  }
};

class LinearStep final : public RelevanceStep {
 public:
  LinearStep(const RelevanceProblem& problem, const RelevanceRule& rule)
      : rule_(rule),
        non_negative_(problem.non_negative_input),
        has_bias_(problem.node->params.size() > 1),
        x_shape_(problem.values[0].shape),
        top_shape_(problem.top.shape) {
    const auto* p = std::get_if<ConvolutionParams>(&problem.node->op);
    conv_groups_ = p ? p->groups : 1;
    // Pixels: the library has no fast way back to so few channels.
    if (p && problem.device == "cpu" && conv_groups_ == 1 && x_shape_.c() <= 4) pixels_ = *p;
    outputs_ = top_shape_.c();
    split_parts();
    collect_columns(problem);
    plan_memory(problem);
    if (uses(InputMap::kLow)) low_ = take_bound(problem, &InputBounds::low);
    if (uses(InputMap::kHigh)) high_ = take_bound(problem, &InputBounds::high);
    bias_.resize(static_cast<std::size_t>(rule_.groups));
    taps_.resize(bias_.size());
    constant_.resize(parts_.size());
  }

  [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }
  [[nodiscard]] std::size_t own_bytes() const override {
    std::size_t bytes = 0;
    for (const Column& column : columns_) {
      bytes += column.state.size();
      for (const auto* params : {&column.params, &column.second_params}) {
        for (const auto& param : *params) bytes += param.size() * sizeof(float);
      }
    }
    return bytes;
  }

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
    share_ = columns_.size() > 1 ? place(x_shape_, bottom_layout_) : r_bottom_;
    quotient_.clear();
    for (const Part& part : parts_) quotient_.push_back(place(shape_of(part), top_layout_));
    partial_ = columns_.size() > 1 ? place(shape_of(parts_[0]), top_layout_) : OpTensor{};
    if (columns_[0].second) second_ = place(top_shape_, top_layout_);
    for (Column& column : columns_) bind_column(column, at);
  }

  void set_params(std::span<const float> weight, std::span<const float> bias) override {
    for (int group = 0; group < rule_.groups; ++group) map_bias(group, bias);
    biases_make_bias_ = true;
    for (std::size_t k = 0; rule_.groups > 1 && k < bias.size(); ++k)
      biases_make_bias_ &= bias_[0][k] + bias_[1][k] == bias[k];
    for (Column& column : columns_) load(column, weight);
    for (std::size_t part = 0; part < parts_.size(); ++part) compute_constant(part);
  }

  void run(std::span<cpu::AbsorbedSums> absorbed) override {
    if (x_.data != binding_.values[0].data) reorder(binding_.values[0], x_);
    if (r_top_.data != binding_.tops[0].data) reorder(binding_.tops[0], r_top_);
    for (std::size_t part = 0; part < parts_.size(); ++part) compute_denominator(part);
    const std::vector<cpu::QuotientGroup> groups = quotient_groups();
    cpu::divide(rule_, groups, r_top_, absorbed);
    bool first = true;
    for (Column& column : columns_) {
      send_down(column, first, &column == &columns_.back(), absorbed);
      first = false;
    }
    if (r_bottom_.data != binding_.bottoms[0].data) reorder(r_bottom_, binding_.bottoms[0]);
  }

  [[nodiscard]] std::int64_t weakest_unit(std::int64_t n) const override {
    return rule_.stabilizer == Stabilizer::kUndivided
               ? -1
               : cpu::weakest_unit(quotient_groups()[0], r_top_, n);
  }

  [[nodiscard]] std::string describe() const override {
    std::size_t terms = 0;
    for (const Column& column : columns_)
      terms +=
          static_cast<std::size_t>(std::ranges::count_if(column.term, [](auto* t) { return t; }));
    return str(rule_.name, ": ", terms, " of ", rule_.terms, " terms in ", columns_.size(),
               columns_.size() == 1 ? " operation, " : " operations, ", implementation_,
               reusable_output()    ? ", z from the forward pass"
               : columns_[0].second ? ", positive sums from the forward pass"
                                    : "");
  }

 private:
  // Side by side where a block of channels then belongs to one group; else apart.
  void split_parts() {
    constexpr std::int64_t kLargestBlock = 16;
    const bool flat = top_shape_.rank() == 2;
    if (rule_.groups == 1 || flat || outputs_ / conv_groups_ % kLargestBlock == 0) {
      parts_ = {{0, rule_.groups}};
    } else {
      for (int group = 0; group < rule_.groups; ++group) parts_.push_back({group, 1});
    }
  }

  void collect_columns(const RelevanceProblem& problem) {
    for (const RelevanceTerm& term : rule_.table()) {
      if (non_negative_ && term.input == InputMap::kNegative) continue;
      const auto part = static_cast<std::size_t>(parts_.size() > 1 ? term.group : 0);
      auto column = std::ranges::find_if(columns_, [&](const Column& c) {
        return c.map == term.input && c.part == part && !c.term[slot(term, part)];
      });
      if (column == columns_.end()) {
        columns_.push_back({.map = term.input, .part = part});
        column = std::prev(columns_.end());
        ChosenOp chosen = create_op(problem.device, problem_of(problem, parts_[part]));
        if (pixels_ && chosen.op->bottom_layout(0) != Layout::kPlain) {
          pixels_.reset();
          chosen = create_op(problem.device, problem_of(problem, parts_[part]));
        }
        implementation_ = chosen.implementation;
        column->op = std::move(chosen.op);
        if (rule_.groups_make_z && parts_.size() == 1)
          column->second = create_op(problem.device, problem_of(problem, {1, 1})).op;
        column->state = Buffer<std::byte>(column->op->state_bytes());
        for (std::size_t i = 0; i < problem.node->params.size(); ++i)
          column->params.emplace_back(static_cast<std::size_t>(column->op->param_storage(i)));
        for (std::size_t i = 0; column->second && i < problem.node->params.size(); ++i)
          column->second_params.emplace_back(
              static_cast<std::size_t>(column->second->param_storage(i)));
      }
      column->term[slot(term, part)] = &term;
    }
    bottom_layout_ = columns_[0].op->bottom_layout(0), top_layout_ = columns_[0].op->top_layout(0);
    for (const Column& column : columns_) {
      expects(
          column.op->bottom_layout(0) == bottom_layout_ && column.op->top_layout(0) == top_layout_,
          "operations of one rule in one layout");
    }
  }

  [[nodiscard]] std::size_t slot(const RelevanceTerm& term, std::size_t part) const {
    return static_cast<std::size_t>(term.group - parts_[part].first_group);
  }

  [[nodiscard]] OpProblem problem_of(const RelevanceProblem& problem, const Part& part) const {
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

  [[nodiscard]] Shape shape_of(const Part& part) const {
    Shape shape = top_shape_;
    shape[1] *= part.groups;
    return shape;
  }

  void plan_memory(const RelevanceProblem& problem) {
    const std::size_t bottom = aligned(bytes_of({nullptr, x_shape_, bottom_layout_}));
    const auto top = [&](const Part& part) {
      return aligned(bytes_of({nullptr, shape_of(part), top_layout_}));
    };
    std::size_t bytes = bottom;  // mapped
    if (problem.values[0].layout != bottom_layout_) bytes += 2 * bottom;
    if (problem.top.layout != top_layout_)
      bytes += aligned(bytes_of({nullptr, top_shape_, top_layout_}));
    if (columns_.size() > 1) bytes += bottom + top(parts_[0]);
    for (const Part& part : parts_) bytes += top(part);
    if (columns_[0].second) bytes += top({1, 1});
    std::size_t scratch = 0;
    for (const Column& column : columns_) {
      scratch = std::max(scratch, column.op->scratch_bytes());
      if (column.second) scratch = std::max(scratch, column.second->scratch_bytes());
    }
    scratch_bytes_ = bytes + scratch;
  }

  [[nodiscard]] bool uses(InputMap map) const {
    return std::ranges::any_of(columns_, [&](const Column& c) { return c.map == map; });
  }
  [[nodiscard]] bool keeps_input(InputMap map) const {
    return map == InputMap::kIdentity || (map == InputMap::kPositive && non_negative_);
  }

  // A bound of the input for every image of the batch, in the layout of the operation.
  Buffer<float> take_bound(const RelevanceProblem& problem,
                           Tensor<float> InputBounds::*member) const {
    const Tensor<float>* bound = problem.bounds ? &(problem.bounds->*member) : nullptr;
    require(bound && bound->shape.count() == x_shape_.count_from(1), "no mean image for layer ",
            problem.node->name, ": rule ", rule_.name, " needs one of the layer's input, ",
            x_shape_, ", expected --mean or one in the weights");
    Tensor<float> plain(x_shape_);
    for (std::int64_t n = 0; n < x_shape_.n(); ++n)
      std::copy_n(bound->values.data(), bound->shape.count(),
                  plain.values.data() + n * bound->shape.count());
    Buffer<float> memory(static_cast<std::size_t>(storage_count(x_shape_, bottom_layout_)));
    reorder({plain.values.data(), x_shape_, Layout::kPlain},
            {memory.data(), x_shape_, bottom_layout_});
    return memory;
  }

  // Where a_t(x) lies.
  [[nodiscard]] OpTensor source(InputMap map) const {
    if (keeps_input(map)) return x_;
    if (map == InputMap::kLow || map == InputMap::kHigh) {
      const Buffer<float>& bound = map == InputMap::kLow ? low_ : high_;
      return {const_cast<float*>(bound.data()), x_shape_, bottom_layout_};
    }
    return mapped_;
  }
  void prepare_input(InputMap map) const {
    if (source(map).data == mapped_.data) cpu::apply_map(map, x_, mapped_);
  }

  void bind_column(Column& column, std::byte* scratch) {
    const bool alone = columns_.size() == 1;
    OpTensor top = quotient_[column.part];
    OpBinding op;
    op.bottoms = {source(column.map)};
    op.tops = {&column == first_dynamic(column.part) || alone ? top
                                                              : with_shape(partial_, top.shape)};
    op.bottom_grads = {share_};
    op.top_grads = {&column == &columns_.back() ? top : with_shape(partial_, top.shape)};
    for (Buffer<float>& param : column.params) op.params.push_back(param.data());
    op.param_grads.assign(column.params.size(), nullptr);
    op.state = column.state.data();
    op.scratch = scratch;
    column.op->bind(op);
    if (!column.second) return;
    op.tops = op.top_grads = {&column == &columns_[0] ? second_ : with_shape(partial_, top_shape_)};
    op.params.clear();
    for (Buffer<float>& param : column.second_params) op.params.push_back(param.data());
    column.second->bind(op);
  }
  static OpTensor with_shape(OpTensor t, const Shape& shape) {
    t.shape = shape;
    return t;
  }

  [[nodiscard]] bool is_constant(const Column& column) const { return ignores_input(column.map); }
  // The column whose forward pass writes Z, with the bias in it.
  [[nodiscard]] const Column* first_dynamic(std::size_t part) const {
    for (const Column& column : columns_) {
      if (column.part == part && !is_constant(column)) return &column;
    }
    return nullptr;
  }

  void map_bias(int group, std::span<const float> bias) {
    const auto g = static_cast<std::size_t>(group);
    const auto shared = static_cast<std::size_t>(outputs_ / conv_groups_);
    bias_[g].assign(bias.size(), 0.0F);
    for (const RelevanceTerm& term : rule_.table()) {
      if (term.group != group) continue;
      for (std::size_t k = 0; k < bias.size(); ++k)
        bias_[g][k] +=
            term.sign * mapped(term.bias, bias[rule_.group0_biases ? k % shared : k], rule_.gamma);
    }
  }

  // Calls visit(output of the layer, group in the part, output of the operation).
  template <class Visit>
  void for_each_output(const Part& part, Visit&& visit) const {
    const std::int64_t run = outputs_ / conv_groups_;
    for (std::int64_t k = 0; k < outputs_; ++k) {
      for (int group = 0; group < part.groups; ++group)
        visit(static_cast<std::size_t>(k), static_cast<std::size_t>(group),
              static_cast<std::size_t>((k / run * part.groups + group) * run + k % run));
    }
  }

  void load(Column& column, std::span<const float> weight) {
    const Part& part = parts_[column.part];
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
    column.op->pack_param(0, weights.data(), column.params[0].data());
    if (column.params.size() > 1) column.op->pack_param(1, biases.data(), column.params[1].data());
    column.op->params_changed();
    if (column.second) load_second(column, weight, row);
    if (pixels_) keep_pixel_weights(column, weights, row);
    if (column.every_tap()) sum_taps(column, weights, row);
  }

  void load_second(Column& column, std::span<const float> weight, std::size_t row) {
    const RelevanceTerm* term = column.term[1];
    std::vector<float> weights(static_cast<std::size_t>(outputs_) * row),
        biases(static_cast<std::size_t>(outputs_));
    std::ranges::transform(weight, weights.begin(), [&](float w) {
      return term->sign * mapped(term->weight, w, rule_.gamma);
    });
    if (&column == &columns_[0] && !bias_[1].empty()) biases = bias_[1];
    column.second->pack_param(0, weights.data(), column.second_params[0].data());
    if (column.second_params.size() > 1)
      column.second->pack_param(1, biases.data(), column.second_params[1].data());
    column.second->params_changed();
  }

  void keep_pixel_weights(Column& column, std::span<const float> weights, std::size_t row) const {
    const auto width = static_cast<std::size_t>(cpu::pixel_row(*pixels_, x_shape_.c()));
    const std::size_t outputs = weights.size() / row;
    column.pixel_weights.assign(outputs * width, 0.0F);
    for (std::size_t k = 0; k < outputs; ++k)
      std::ranges::copy(weights.subspan(k * row, row),
                        column.pixel_weights.begin() + static_cast<std::ptrdiff_t>(k * width));
  }

  // Per output of the layer, the sum over every tap of the column's weights.
  void sum_taps(const Column& column, std::span<const float> weights, std::size_t row) {
    const Part& part = parts_[column.part];
    for_each_output(part, [&](std::size_t k, std::size_t group, std::size_t at) {
      auto& taps = taps_[static_cast<std::size_t>(part.first_group) + group];
      taps.resize(static_cast<std::size_t>(outputs_));
      const auto of_output = weights.subspan(at * row, row);
      taps[k] = static_cast<float>(std::accumulate(of_output.begin(), of_output.end(), 0.0));
    });
  }

  // What the columns that ignore x add to Z, one image; needs a bound step.
  void compute_constant(std::size_t part) {
    constant_[part] = {};
    if (rule_.stabilizer == Stabilizer::kUndivided) return;
    const OpTensor& z = quotient_[part];
    const auto size = static_cast<std::size_t>(storage_count(z.shape, z.layout) / z.shape.n());
    for (const Column& column : columns_) {
      if (column.part != part || !is_constant(column)) continue;
      if (constant_[part].size() == 0) {
        constant_[part] = Buffer<float>(size);
        std::memset(constant_[part].data(), 0, size * sizeof(float));
      }
      OpTensor image{constant_[part].data(), z.shape, z.layout};
      image.shape[0] = 1;
      if (column.every_tap()) {
        add_taps(part, image);
      } else {
        prepare_input(column.map);
        column.op->forward(0);
        const bool direct = columns_.size() == 1;
        cpu::add_to_images(direct ? z.data : partial_.data, image);
      }
    }
  }
  void add_taps(std::size_t part, const OpTensor& image) const {
    Tensor<float> plain(image.shape);
    const std::int64_t positions = image.shape.h() * image.shape.w();
    for_each_output(parts_[part], [&](std::size_t k, std::size_t group, std::size_t at) {
      const float sum = taps_[static_cast<std::size_t>(parts_[part].first_group) + group][k];
      std::fill_n(plain.values.begin() + static_cast<std::ptrdiff_t>(at) * positions, positions,
                  sum);
    });
    Tensor<float> stored(Shape{storage_count(image.shape, image.layout)});
    reorder({plain.values.data(), plain.shape, Layout::kPlain},
            {stored.values.data(), image.shape, image.layout});
    cpu::add_to_images(stored.values.data(), image);
  }

  // ---- the walk

  // z is the layer's output as the forward pass left it where the table asks for z itself.
  [[nodiscard]] bool reusable_output() const {
    const RelevanceTerm& term = rule_.term[0];
    return rule_.terms == 1 && term.input == InputMap::kIdentity &&
           term.weight == WeightMap::kIdentity && !rule_.group0_biases &&
           (term.bias == BiasMap::kIdentity || !has_bias_);
  }

  void compute_denominator(std::size_t part) {
    if (rule_.stabilizer == Stabilizer::kUndivided) return;
    const OpTensor& z = quotient_[part];
    if (reusable_output() && output_usable()) {
      reorder(binding_.top_values[0], z);
      return;
    }
    if (columns_[0].second && biases_make_bias_ && binding_.tops[0].layout == top_layout_ &&
        output_usable())
      return complete_from_output();
    const Column* first = first_dynamic(part);
    for (Column& column : columns_) {
      if (column.part != part || is_constant(column)) continue;
      prepare_input(column.map);
      column.op->forward(0);
      if (&column != first) cpu::add(1, with_shape(partial_, z.shape), z);
    }
    if (constant_[part].size() == 0) return;
    if (!first) std::memset(z.data, 0, bytes_of(z));
    cpu::add_to_images(constant_[part].data(), z);
  }

  // The layer's output is z, or max(z, 0) where that is as good.
  [[nodiscard]] bool output_usable() const {
    return !binding_.top_values.empty() &&
           cpu::output_serves(binding_.top_values[0], binding_.tops[0]);
  }

  // Half the work: only group 1 by its operations, group 0 as what is left of z.
  void complete_from_output() {
    for (Column& column : columns_) {
      prepare_input(column.map);
      column.second->forward(0);
      if (&column != &columns_[0]) cpu::add(1, with_shape(partial_, top_shape_), second_);
    }
    cpu::complete_sums(binding_.top_values[0], second_, quotient_groups());
  }

  [[nodiscard]] std::vector<cpu::QuotientGroup> quotient_groups() const {
    std::vector<cpu::QuotientGroup> groups;
    const std::int64_t lanes = top_shape_.rank() == 2 ? outputs_ : channel_block(top_layout_);
    const std::int64_t blocks = (outputs_ + lanes - 1) / lanes;
    for (int group = 0; group < rule_.groups; ++group) {
      const auto g = static_cast<std::size_t>(group);
      const std::size_t part = parts_.size() > 1 ? g : 0;
      const OpTensor& z = quotient_[part];
      const bool side_by_side = parts_[part].groups > 1;
      const std::int64_t run = side_by_side ? blocks / conv_groups_ : blocks;
      const std::int64_t plane = z.shape.h() * z.shape.w() * lanes;
      groups.push_back({.data = z.data + (side_by_side ? group * run * plane : 0),
                        .image_size = storage_count(z.shape, z.layout) / z.shape.n(),
                        .run = run,
                        .stride = run * parts_[part].groups,
                        .coefficient = rule_.coefficient[g],
                        .bias = bias_[g],
                        .taps = taps_[g]});
    }
    return groups;
  }

  // R_bottom (+)= a(x) * (weights^T S).
  void send_down(Column& column, bool first, bool last, std::span<cpu::AbsorbedSums> absorbed) {
    const OpTensor& s = quotient_[column.part];
    if (pixels_) {
      cpu::pixel_shares(*pixels_, s, column.pixel_weights.data(), share_);
    } else {
      // backward may overwrite what it reads
      if (!last) std::memcpy(partial_.data, s.data, bytes_of(s));
      column.op->backward(0);
    }
    if (column.every_tap()) {
      std::vector<cpu::ImageSums> arrived(absorbed.size());
      cpu::sum_per_image(share_, arrived);
      for (std::size_t n = 0; n < absorbed.size(); ++n) absorbed[n].padding -= arrived[n].sum;
    }
    const bool given =
        keeps_input(column.map) || column.map == InputMap::kLow || column.map == InputMap::kHigh;
    const InputMap map = given ? InputMap::kIdentity : column.map;
    const OpTensor factor = given ? source(column.map) : x_;
    if (first && map == InputMap::kOne && share_.data == r_bottom_.data) return;
    cpu::accumulate_product(map, 1, factor, share_, r_bottom_, first);
  }

  RelevanceRule rule_;
  bool non_negative_, has_bias_;
  Shape x_shape_, top_shape_;
  std::int64_t conv_groups_ = 1, outputs_ = 0;
  std::optional<ConvolutionParams> pixels_;  // a convolution over few channels, on the CPU
  std::string_view implementation_;
  std::vector<Part> parts_;
  std::vector<Column> columns_;
  Layout bottom_layout_ = Layout::kPlain, top_layout_ = Layout::kPlain;
  std::size_t scratch_bytes_ = 0;
  Buffer<float> low_, high_;              // bounds of the input, every image
  std::vector<std::vector<float>> bias_;  // mapped, per group
  std::vector<std::vector<float>> taps_;  // per group, where a term sums over every tap
  std::vector<Buffer<float>> constant_;   // per part: what ignores x in Z, one image
  bool biases_make_bias_ = true;          // the groups' biases add up to the layer's
  OpTensor x_, r_bottom_, r_top_, mapped_, share_, partial_, second_;
  std::vector<OpTensor> quotient_;  // per part
};

}  // namespace

std::unique_ptr<RelevanceStep> make_linear_step(const RelevanceProblem& problem,
                                                const RelevanceRule& rule) {
  return std::make_unique<LinearStep>(problem, rule);
}

}  // namespace fovea
