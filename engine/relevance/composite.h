// Composites: which relevance rule explains which layer. Pure data, read from JSON; the keys are
// described in configs/relevance/README.md.
//
//   {"rules": [{"type": "convolution", "max_depth": 1, "rule": "flat"},
//              {"type": "convolution", "rule": "alpha_beta", "beta": 1},
//              {"name": "fc*",         "rule": "epsilon", "epsilon": 0.1}],
//    "lrn": "identity", "max_pooling": "winner"}
//
// The first line that matches a linear layer gives its rule. Presets are the files of
// configs/relevance/ by name, and "toolbox-<N>" for every formula type of the LRP Toolbox, with its
// constants, its LRN rule and its layer indices.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/fields.h"
#include "engine/graph/graph.h"
#include "engine/relevance/rule_tables.h"
#include "kernels/ops/relevance_other.h"

namespace fovea {

enum class LinearRuleName {
  kEpsilon,
  kEpsilonRelative,
  kGamma,
  kAlphaBeta,
  kZPlus,
  kZBox,
  kZBoxToolbox,
  kWSquare,
  kWSquareToolbox,
  kFlat,
  kFlatToolbox,
  kExcitation,
  kGradient
};
template <>
inline constexpr EnumTable<LinearRuleName, 13> enum_names<LinearRuleName>{
    {{"epsilon", LinearRuleName::kEpsilon},
     {"epsilon_relative", LinearRuleName::kEpsilonRelative},
     {"gamma", LinearRuleName::kGamma},
     {"alpha_beta", LinearRuleName::kAlphaBeta},
     {"z_plus", LinearRuleName::kZPlus},
     {"z_box", LinearRuleName::kZBox},
     {"z_box_toolbox", LinearRuleName::kZBoxToolbox},
     {"w_square", LinearRuleName::kWSquare},
     {"w_square_toolbox", LinearRuleName::kWSquareToolbox},
     {"flat", LinearRuleName::kFlat},
     {"flat_toolbox", LinearRuleName::kFlatToolbox},
     {"excitation", LinearRuleName::kExcitation},
     {"gradient", LinearRuleName::kGradient}}};

// What becomes of the bias's share: lost (and accounted for), not in the sums, or spread over the
// taps.
enum class BiasRule { kAbsorb, kIgnore, kDistribute };
template <>
inline constexpr EnumTable<BiasRule, 3> enum_names<BiasRule>{
    {{"absorb", BiasRule::kAbsorb},
     {"ignore", BiasRule::kIgnore},
     {"distribute", BiasRule::kDistribute}}};

// The relevance that the walk starts with at a target: its score, or 1.
enum class StartRule { kScore, kOne };
template <>
inline constexpr EnumTable<StartRule, 2> enum_names<StartRule>{
    {{"score", StartRule::kScore}, {"one", StartRule::kOne}}};

// What the map is made of, R being the relevance where the walk ends: R; x R; R^2; or, in every
// channel, the root of the sum of R^2 over the channels.
enum class MapRule { kRelevance, kTimesInput, kSquare, kChannelNorm };
template <>
inline constexpr EnumTable<MapRule, 4> enum_names<MapRule>{
    {{"relevance", MapRule::kRelevance},
     {"times_input", MapRule::kTimesInput},
     {"square", MapRule::kSquare},
     {"channel_norm", MapRule::kChannelNorm}}};

// Walks over several inputs, whose maps are averaged (engine/relevance/repeat.h).
enum class RepeatKind { kOnce, kIntegratedGradients, kSmoothGrad };
template <>
inline constexpr EnumTable<RepeatKind, 3> enum_names<RepeatKind>{
    {{"once", RepeatKind::kOnce},
     {"integrated_gradients", RepeatKind::kIntegratedGradients},
     {"smooth_grad", RepeatKind::kSmoothGrad}}};
struct RepeatRule {
  RepeatKind kind = RepeatKind::kOnce;
  int steps = 32;
  float noise = 0.15F;  // smooth_grad: standard deviation, over the range of the image's values

  template <class Self, class V>
  static void visit(Self& r, V&& v) {
    v("kind", r.kind), v("steps", r.steps), v("noise", r.noise);
  }
};

// One line of a composite. Empty `type` or `name` matches every layer; `name` may hold '*' for any
// text and '?' for any character.
struct RuleChoice {
  std::string type, name;
  bool first = false, last = false;  // the layer where the walk ends, or starts
  int up_to = -1, above = -1;        // index of the layer, Split layers counted; -1 = any
  int min_depth = 0, max_depth = 0;  // linear layers from the net's input; 0 = any
  LinearRuleName rule = LinearRuleName::kEpsilon;
  float epsilon = 0.1F, gamma = 0.25F;
  float alpha = 0, beta = 1;  // alpha = 1 + beta; 0 = as beta says

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("type", c.type), v("name", c.name), v("first", c.first), v("last", c.last),
        v("up_to", c.up_to), v("above", c.above), v("min_depth", c.min_depth),
        v("max_depth", c.max_depth), v("rule", c.rule), v("epsilon", c.epsilon),
        v("gamma", c.gamma), v("alpha", c.alpha), v("beta", c.beta);
  }
};

// Where in the net and in the walk a layer stands.
struct LayerPlace {
  int index = 0;  // in the net, Split layers counted
  int depth = 1;  // linear layers on the longest way from the net's input, itself among them
  bool first = false, last = false;
};

struct Composite {
  std::string description;
  std::vector<RuleChoice> rules;
  LrnRule lrn = LrnRule::kIdentity;
  MaxPoolingRule max_pooling = MaxPoolingRule::kWinner;
  AveragePoolingRule average_pooling = AveragePoolingRule::kProportional;
  ReluRule relu = ReluRule::kPass;
  BiasRule bias = BiasRule::kAbsorb;
  StartRule start = StartRule::kScore;
  MapRule map = MapRule::kRelevance;
  RepeatRule repeat;
  bool toolbox_group_bias = false;  // alpha-beta and z_box_toolbox: group 0's biases in every group
  bool auxiliary_softmax = false;   // a softmax below the start sends its probabilities down

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("description", c.description), v("rules", c.rules), v("lrn", c.lrn),
        v("max_pooling", c.max_pooling), v("average_pooling", c.average_pooling), v("relu", c.relu),
        v("bias", c.bias), v("start", c.start), v("map", c.map), v("repeat", c.repeat),
        v("toolbox_group_bias", c.toolbox_group_bias), v("auxiliary_softmax", c.auxiliary_softmax);
  }

  // The line for a linear layer; Error naming the layer when none matches.
  [[nodiscard]] const RuleChoice& choice_for(const Node& node, const LayerPlace& place) const;
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
  std::optional<int> flat_until;  // `up_to` of the lines that have one
  std::optional<bool> toolbox_group_bias, auxiliary_softmax;
  std::optional<float> gamma;
  std::optional<int> steps;  // of a repeated walk
  std::optional<float> noise;
};

// Names of the presets: those of configs/relevance/, then toolbox-<N>.
[[nodiscard]] std::vector<std::string> composite_presets();

// A preset that cannot do without CompositeOverrides::flat_until.
[[nodiscard]] bool needs_flat_until(const std::string& name);

// A preset by name ('_' counts as '-'), or a JSON file. Error with the known names.
[[nodiscard]] Composite load_composite(const std::string& name_or_file,
                                       const CompositeOverrides& overrides = {});

}  // namespace fovea
