// Composites: which relevance rule explains which layer. Ordered, first match wins; pure data, read
// from JSON.
//
//   {"rules": [{"type": "convolution", "rule": "alpha_beta", "beta": 1},
//              {"name": "fc*",         "rule": "epsilon", "epsilon": 0.1}],
//    "lrn": "identity", "max_pooling": "winner"}
// Presets: "epsilon", "alpha-beta", "z-plus", and "study" (alpha-beta for convolutions, epsilon for
// inner products: the composite of Lapuschkin et al. 2017); "toolbox-0", "toolbox-2", "toolbox-100"
// are the LRP Toolbox's formula types with its constants and its LRN rule.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/relevance/rule_tables.h"
#include "kernels/ops/relevance_other.h"

namespace fovea {

enum class LinearRuleName { kEpsilon, kAlphaBeta, kZPlus };
template <>
inline constexpr EnumTable<LinearRuleName, 3> enum_names<LinearRuleName>{
    {{"epsilon", LinearRuleName::kEpsilon},
     {"alpha_beta", LinearRuleName::kAlphaBeta},
     {"z_plus", LinearRuleName::kZPlus}}};

// One line of a composite. Empty `type` or `name` matches every layer; `name` may end in '*'.
struct RuleChoice {
  std::string type, name;
  LinearRuleName rule = LinearRuleName::kEpsilon;
  float epsilon = 0.1F, beta = 1;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("type", c.type), v("name", c.name), v("rule", c.rule), v("epsilon", c.epsilon),
        v("beta", c.beta);
  }
};

struct Composite {
  std::vector<RuleChoice> rules;
  LrnRule lrn = LrnRule::kIdentity;
  MaxPoolingRule max_pooling = MaxPoolingRule::kWinner;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("rules", c.rules), v("lrn", c.lrn), v("max_pooling", c.max_pooling);
  }

  // The table for a linear layer; Error naming the layer when no line matches.
  [[nodiscard]] RelevanceRule rule_for(const Node& node) const;
};

// Values from the command line that replace those of a preset or file wherever the composite has
// them.
struct CompositeOverrides {
  std::optional<float> epsilon, beta;
  std::optional<LrnRule> lrn;
  std::optional<MaxPoolingRule> max_pooling;
};

[[nodiscard]] std::vector<std::string> composite_presets();

// A preset by name, or a JSON file. Error with the known names.
[[nodiscard]] Composite load_composite(const std::string& name_or_file,
                                       const CompositeOverrides& overrides = {});

}  // namespace fovea
