#include "engine/relevance/composite.h"

#include "engine/core/file.h"

namespace fovea {
namespace {

struct Preset {
  std::string_view name;
  LinearRuleName convolution, inner_product;
  LrnRule lrn;
};

constexpr Preset kPresets[] = {
    {"epsilon", LinearRuleName::kEpsilon, LinearRuleName::kEpsilon, LrnRule::kIdentity},
    {"alpha-beta", LinearRuleName::kAlphaBeta, LinearRuleName::kAlphaBeta, LrnRule::kIdentity},
    {"z-plus", LinearRuleName::kZPlus, LinearRuleName::kZPlus, LrnRule::kIdentity},
    {"study", LinearRuleName::kAlphaBeta, LinearRuleName::kEpsilon, LrnRule::kIdentity},
    {"toolbox-0", LinearRuleName::kEpsilon, LinearRuleName::kEpsilon, LrnRule::kToolbox},
    {"toolbox-2", LinearRuleName::kAlphaBeta, LinearRuleName::kAlphaBeta, LrnRule::kToolbox},
    {"toolbox-100", LinearRuleName::kAlphaBeta, LinearRuleName::kEpsilon, LrnRule::kToolbox},
};

bool matches(const std::string& pattern, std::string_view text) {
  if (pattern.empty()) return true;
  if (pattern.back() == '*')
    return text.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  return pattern == text;
}

}  // namespace

RelevanceRule Composite::rule_for(const Node& node) const {
  for (const RuleChoice& choice : rules) {
    if (!matches(choice.type, op_type_name(node.op)) || !matches(choice.name, node.name)) continue;
    switch (choice.rule) {
      case LinearRuleName::kEpsilon:
        return epsilon_rule(choice.epsilon);
      case LinearRuleName::kAlphaBeta:
        return alpha_beta_rule(choice.beta);
      case LinearRuleName::kZPlus:
        return z_plus_rule();
    }
  }
  throw Error(str("no relevance rule for layer ", node.name,
                  ": the composite has no line for it, expected one with type ",
                  op_type_name(node.op), " or without a type"));
}

std::vector<std::string> composite_presets() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

Composite load_composite(const std::string& name_or_file, const CompositeOverrides& overrides) {
  Composite composite;
  bool found = false;
  for (const Preset& preset : kPresets) {
    if (preset.name != name_or_file) continue;
    composite.rules = {{.type = "convolution", .rule = preset.convolution},
                       {.type = "inner_product", .rule = preset.inner_product}};
    composite.lrn = preset.lrn;
    found = true;
  }
  if (!found) {
    std::string known;
    for (const auto& name : composite_presets()) known += name + " | ";
    require(name_or_file.ends_with(".json"), "unknown rule: '", name_or_file, "', expected ", known,
            "FILE.json", did_you_mean(name_or_file, composite_presets()));
    read_json(read_json_file(name_or_file), composite, name_or_file);
  }
  for (RuleChoice& choice : composite.rules) {
    choice.epsilon = overrides.epsilon.value_or(choice.epsilon);
    choice.beta = overrides.beta.value_or(choice.beta);
    require(choice.epsilon >= 0, "wrong value for epsilon: ", choice.epsilon,
            ", expected 0 or more");
    require(choice.beta >= 0, "wrong value for beta: ", choice.beta, ", expected 0 or more");
  }
  composite.lrn = overrides.lrn.value_or(composite.lrn);
  composite.max_pooling = overrides.max_pooling.value_or(composite.max_pooling);
  return composite;
}

}  // namespace fovea
