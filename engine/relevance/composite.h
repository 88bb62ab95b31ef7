// Composites: which relevance rule explains which layer. Ordered, first match wins; pure data, read
// from JSON.
//
//   {"rules": [{"type": "convolution", "rule": "alpha_beta", "beta": 1},
//              {"name": "fc*",         "rule": "epsilon", "epsilon": 0.1}],
//    "lrn": "identity", "max_pooling": "winner"}
//
// A line may also ask for a place in the net: "first" (the layer where the walk ends), "up_to": N
// and "above": N (indices of layers, Split layers counted).
//
// Presets: "epsilon", "alpha-beta", "z-plus", and "study" (alpha-beta for convolutions, epsilon for
// inner products: the composite of Lapuschkin et al. 2017); "toolbox-<N>" for every formula type of
// the LRP Toolbox, with its constants, its LRN rule and its layer indices.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/relevance/rule_tables.h"
#include "kernels/ops/relevance_other.h"

namespace fovea {

enum class LinearRuleName {
  kEpsilon,
  kAlphaBeta,
  kZPlus,
  kZBox,
  kWSquare,
  kFlat,
  kFlatToolbox,
  kGradient
};
template <>
inline constexpr EnumTable<LinearRuleName, 8> enum_names<LinearRuleName>{
    {{"epsilon", LinearRuleName::kEpsilon},
     {"alpha_beta", LinearRuleName::kAlphaBeta},
     {"z_plus", LinearRuleName::kZPlus},
     {"z_box", LinearRuleName::kZBox},
     {"w_square", LinearRuleName::kWSquare},
     {"flat", LinearRuleName::kFlat},
     {"flat_toolbox", LinearRuleName::kFlatToolbox},
     {"gradient", LinearRuleName::kGradient}}};

// What becomes of the bias's share: lost (and accounted for), not in the sums, or spread over the
// taps.
enum class BiasRule { kAbsorb, kIgnore, kDistribute };
template <>
inline constexpr EnumTable<BiasRule, 3> enum_names<BiasRule>{
    {{"absorb", BiasRule::kAbsorb},
     {"ignore", BiasRule::kIgnore},
     {"distribute", BiasRule::kDistribute}}};

// One line of a composite. Empty `type` or `name` matches every layer; `name` may end in '*'.
struct RuleChoice {
  std::string type, name;
  bool first = false;
  int up_to = -1, above = -1;  // -1 = anywhere
  LinearRuleName rule = LinearRuleName::kEpsilon;
  float epsilon = 0.1F, beta = 1;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("type", c.type), v("name", c.name), v("first", c.first), v("up_to", c.up_to),
        v("above", c.above), v("rule", c.rule), v("epsilon", c.epsilon), v("beta", c.beta);
  }
};

struct Composite {
  std::vector<RuleChoice> rules;
  LrnRule lrn = LrnRule::kIdentity;
  MaxPoolingRule max_pooling = MaxPoolingRule::kWinner;
  AveragePoolingRule average_pooling = AveragePoolingRule::kProportional;
  ReluRule relu = ReluRule::kPass;
  BiasRule bias = BiasRule::kAbsorb;
  bool channel_norm = false;  // the map is sqrt(sum over channels of squares), in each channel
  bool toolbox_group_bias = false;  // alpha-beta and z_box: group 0's biases in every group
  bool auxiliary_softmax = false;   // a softmax below the start sends its probabilities down

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("rules", c.rules), v("lrn", c.lrn), v("max_pooling", c.max_pooling),
        v("average_pooling", c.average_pooling), v("relu", c.relu), v("bias", c.bias),
        v("channel_norm", c.channel_norm), v("toolbox_group_bias", c.toolbox_group_bias),
        v("auxiliary_softmax", c.auxiliary_softmax);
  }

  // The line for a linear layer at `index`; Error naming the layer when none matches.
  [[nodiscard]] const RuleChoice& choice_for(const Node& node, int index, bool first) const;
  // The table that the line stands for.
  [[nodiscard]] RelevanceRule table_of(const RuleChoice& choice, const Node& node) const;
};

// Values from the command line that replace those of a preset or file wherever the composite has
// them.
struct CompositeOverrides {
  std::optional<float> epsilon, beta;
  std::optional<LrnRule> lrn;
  std::optional<MaxPoolingRule> max_pooling;
  std::optional<BiasRule> bias;
  std::optional<int>
      flat_until;  // the last layer of the flat, w^2 or alpha-beta part of toolbox-54 .. 114
  std::optional<bool> toolbox_group_bias, auxiliary_softmax;
};

[[nodiscard]] std::vector<std::string> composite_presets();

// A preset by name, or a JSON file. Error with the known names.
[[nodiscard]] Composite load_composite(const std::string& name_or_file,
                                       const CompositeOverrides& overrides = {});

}  // namespace fovea
