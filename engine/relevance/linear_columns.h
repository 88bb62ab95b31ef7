// What a linear layer's rule becomes: operations of the layer with mapped weights, and where their
// results stand. The walk over them is linear_step.cc.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "engine/relevance/step.h"

namespace fovea {

// Groups of a table whose quotients are the outputs of one operation, side by side within each
// group of the convolution.
struct RulePart {
  int first_group, groups;
};

// One operation: the terms of a part that read the same map of the input.
struct RuleColumn {
  InputMap map;
  std::size_t part = 0;
  std::array<const RelevanceTerm*, RelevanceRule::kMaxGroups> term{};  // per group of the part
  std::unique_ptr<Op> op;
  std::vector<DeviceBuffer<float>> params;
  DeviceBuffer<std::byte> state;
  std::vector<float> pixel_weights;  // for cpu::pixel_shares
  // Group 1 alone, where the forward pass gives the sum of both groups.
  std::unique_ptr<Op> second;
  std::vector<DeviceBuffer<float>> second_params;

  // It does not look at x.
  [[nodiscard]] bool is_constant() const { return ignores_input(map); }
  [[nodiscard]] bool every_tap() const;
};

// Per channel of group `group` of the table; `conv_groups` of the convolution.
[[nodiscard]] std::vector<float> mapped_bias(const RelevanceRule& rule, int group,
                                             std::int64_t conv_groups, std::span<const float> bias);

// Whether two groups' biases are `bias` together, exactly; so they are where there is one group.
[[nodiscard]] bool biases_add_up(std::span<const std::vector<float>> groups,
                                 std::span<const float> bias);

class LinearColumns {
 public:
  LinearColumns(const RelevanceProblem& problem, const RelevanceRule& rule);
  LinearColumns(const LinearColumns&) = delete;
  LinearColumns& operator=(const LinearColumns&) = delete;

  // Maps weights and biases (plain Caffe order) for every column.
  void load(std::span<const float> weight, std::span<const float> bias);

  [[nodiscard]] const RelevanceRule& rule() const { return rule_; }
  [[nodiscard]] Device& device() const { return device_; }
  [[nodiscard]] const std::vector<RulePart>& parts() const { return parts_; }
  [[nodiscard]] std::vector<RuleColumn>& all() { return columns_; }
  [[nodiscard]] const std::vector<RuleColumn>& all() const { return columns_; }
  [[nodiscard]] Layout bottom_layout() const { return bottom_layout_; }
  [[nodiscard]] Layout top_layout() const { return top_layout_; }
  [[nodiscard]] std::int64_t conv_groups() const { return conv_groups_; }
  [[nodiscard]] std::int64_t outputs() const { return outputs_; }
  [[nodiscard]] std::string_view implementation() const { return implementation_; }
  // A convolution over few channels, on the CPU.
  [[nodiscard]] const std::optional<ConvolutionParams>& pixels() const { return pixels_; }
  // Of a part's operation: the layer's top with as many times its channels.
  [[nodiscard]] Shape shape_of(const RulePart& part) const;
  // The column whose forward pass writes Z, with the bias in it.
  [[nodiscard]] const RuleColumn* first_dynamic(std::size_t part) const;
  // Mapped, per channel of group g, in the device's memory; taps where a term sums over every tap.
  [[nodiscard]] std::span<const float> bias(std::size_t g) const;
  [[nodiscard]] std::span<const float> taps(std::size_t g) const;
  // The groups' biases add up to the layer's.
  [[nodiscard]] bool biases_make_bias() const { return biases_make_bias_; }
  // Memory of weights and states.
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t scratch_bytes() const;
  // The taps of a part's outputs at every position, as one plain image of shape_of(part).
  [[nodiscard]] Tensor<float> image_of_taps(std::size_t part) const;

 private:
  void split_parts();
  void collect(const RelevanceProblem& problem);
  void make_operations(const RelevanceProblem& problem, RuleColumn& column);
  [[nodiscard]] std::size_t slot(const RelevanceTerm& term, std::size_t part) const;
  [[nodiscard]] OpProblem problem_of(const RelevanceProblem& problem, const RulePart& part) const;
  template <class Visit>
  void for_each_output(const RulePart& part, Visit&& visit) const;
  void load_column(RuleColumn& column, std::span<const float> weight);
  void load_second(RuleColumn& column, std::span<const float> weight, std::size_t row);
  void keep_pixel_weights(RuleColumn& column, std::span<const float> weights,
                          std::size_t row) const;
  void sum_taps(const RuleColumn& column, std::span<const float> weights, std::size_t row);
  void put(const Op& op, std::size_t param, const std::vector<float>& plain,
           const DeviceBuffer<float>& to) const;

  RelevanceRule rule_;
  Device& device_;
  bool non_negative_;
  Shape x_shape_, top_shape_;
  std::int64_t conv_groups_ = 1, outputs_ = 0;
  std::optional<ConvolutionParams> pixels_;
  std::string_view implementation_;
  std::vector<RulePart> parts_;
  std::vector<RuleColumn> columns_;
  Layout bottom_layout_ = Layout::kPlain, top_layout_ = Layout::kPlain;
  std::vector<std::vector<float>> bias_, taps_;               // per group
  std::vector<DeviceBuffer<float>> bias_there_, taps_there_;  // the same in the device's memory
  bool biases_make_bias_ = true;
};

}  // namespace fovea
