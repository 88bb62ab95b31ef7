#include "engine/relevance/composite.h"

#include "engine/core/file.h"

namespace fovea {
namespace {

using enum LinearRuleName;

// The rules of a preset by kind of layer: in its low part (layers up to a limit), at the layer
// where the walk ends if that is a convolution, and elsewhere.
struct Preset {
  std::string_view name;
  LinearRuleName convolution, inner_product;
  std::optional<LinearRuleName> low, first_convolution;
  // The LRP Toolbox's alpha-beta with beta 0 above layer 15 and 1 below, whatever is asked for.
  bool fixed_convolution = false, fixed_inner_product = false;
  ReluRule relu = ReluRule::kPass;
};

constexpr Preset kPresets[] = {
    {"epsilon", kEpsilon, kEpsilon, {}, {}},
    {"alpha-beta", kAlphaBeta, kAlphaBeta, {}, {}},
    {"z-plus", kZPlus, kZPlus, {}, {}},
    {"study", kAlphaBeta, kEpsilon, {}, {}},
    {"toolbox-0", kEpsilon, kEpsilon, {}, {}},
    {"toolbox-2", kAlphaBeta, kAlphaBeta, {}, {}},
    {"toolbox-6", kAlphaBeta, kAlphaBeta, {}, kZBox, false, true},
    {"toolbox-8", kEpsilon, kAlphaBeta, {}, kZBox, false, true},
    {"toolbox-11", kGradient, kGradient, {}, {}, false, false, ReluRule::kGradient},
    {"toolbox-18", kAlphaBeta, kAlphaBeta, {}, kZBox, true, true},
    {"toolbox-22", kAlphaBeta, kAlphaBeta, {}, {}, true, true},
    {"toolbox-26", kGradient, kGradient, {}, {}, false, false, ReluRule::kPositive},
    {"toolbox-54", kEpsilon, kEpsilon, kFlatToolbox, {}},
    {"toolbox-56", kEpsilon, kEpsilon, kWSquare, {}},
    {"toolbox-58", kAlphaBeta, kAlphaBeta, kFlatToolbox, {}},
    {"toolbox-60", kAlphaBeta, kAlphaBeta, kWSquare, {}},
    {"toolbox-99", kGradient, kGradient, {}, {}, false, false, ReluRule::kGradient},
    {"toolbox-100", kAlphaBeta, kEpsilon, {}, {}},
    {"toolbox-102", kAlphaBeta, kEpsilon, kFlatToolbox, {}},
    {"toolbox-104", kAlphaBeta, kEpsilon, kWSquare, {}},
    {"toolbox-114", kEpsilon, kEpsilon, kAlphaBeta, {}},
    {"toolbox-166", kGradient, kGradient, {}, {}, false, false, ReluRule::kGuided},
};

constexpr int kToolboxLimit = 15;  // meant for fc6 of CaffeNet, whose index it is

// Lines for one type of layer; the LRP Toolbox's fixed betas do not listen to --beta.
void add_lines(std::vector<RuleChoice>& rules, const char* type, LinearRuleName rule, bool fixed,
               const CompositeOverrides& overrides) {
  if (fixed) rules.push_back({.type = type, .above = kToolboxLimit, .rule = rule, .beta = 0});
  rules.push_back({.type = type,
                   .rule = rule,
                   .epsilon = overrides.epsilon.value_or(0.1F),
                   .beta = fixed ? 1 : overrides.beta.value_or(1)});
}

Composite composite_of(const Preset& preset, const CompositeOverrides& overrides) {
  Composite composite{.rules = {}, .relu = preset.relu};
  if (preset.low) {
    require(overrides.flat_until && *overrides.flat_until >= 0, "no --flat-until for rule ",
            preset.name, ", expected the last layer of its low part, ", enum_name(*preset.low));
    composite.rules.push_back(
        {.up_to = *overrides.flat_until, .rule = *preset.low, .beta = overrides.beta.value_or(1)});
  }
  if (preset.first_convolution)
    composite.rules.push_back(
        {.type = "convolution", .first = true, .rule = *preset.first_convolution});
  add_lines(composite.rules, "convolution", preset.convolution, preset.fixed_convolution,
            overrides);
  add_lines(composite.rules, "inner_product", preset.inner_product, preset.fixed_inner_product,
            overrides);
  if (!preset.name.starts_with("toolbox-")) return composite;
  const bool ordinary_backward = preset.relu == ReluRule::kGradient;
  composite.lrn = ordinary_backward ? LrnRule::kDerivative : LrnRule::kToolbox;
  if (ordinary_backward) composite.average_pooling = AveragePoolingRule::kGradient;
  composite.channel_norm = preset.name == "toolbox-99";
  composite.auxiliary_softmax = !ordinary_backward;
  return composite;
}

bool matches(const std::string& pattern, std::string_view text) {
  if (pattern.empty()) return true;
  if (pattern.back() == '*')
    return text.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  return pattern == text;
}

}  // namespace

const RuleChoice& Composite::choice_for(const Node& node, int index, bool first) const {
  for (const RuleChoice& choice : rules) {
    if (!matches(choice.type, op_type_name(node.op)) || !matches(choice.name, node.name)) continue;
    if (choice.first && !first) continue;
    if (choice.up_to >= 0 && index > choice.up_to) continue;
    if (choice.above >= 0 && index <= choice.above) continue;
    return choice;
  }
  throw Error(str("no relevance rule for layer ", node.name,
                  ": the composite has no line for it, expected one with type ",
                  op_type_name(node.op), " or without a type"));
}

RelevanceRule Composite::table_of(const RuleChoice& choice, const Node& node) const {
  const auto divisor = [&] {  // of the LRP Toolbox's flat rule
    if (const auto* p = std::get_if<ConvolutionParams>(&node.op))
      return static_cast<float>(p->kernel[0] * p->kernel[1]);
    return static_cast<float>(node.params[0].shape.count_from(1));
  };
  const auto table = [&]() -> RelevanceRule {
    switch (choice.rule) {
      case kEpsilon:
        return epsilon_rule(choice.epsilon);
      case kAlphaBeta:
        return alpha_beta_rule(choice.beta);
      case kZPlus:
        return z_plus_rule();
      case kZBox:
        return z_box_rule();
      case kWSquare:
        return w_square_rule();
      case kFlat:
        return flat_rule();
      case kFlatToolbox:
        return flat_toolbox_rule(divisor());
      case kGradient:
        return gradient_rule();
    }
    throw Error("internal error: a rule without a table");
  };
  RelevanceRule rule = table();
  rule.group0_biases = toolbox_group_bias && choice.rule != kEpsilon;
  if (bias == BiasRule::kIgnore) {
    for (RelevanceTerm& term : rule.term) term.bias = BiasMap::kZero;
  }
  return rule;
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
    composite = composite_of(preset, overrides);
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
    if (!found) choice.epsilon = overrides.epsilon.value_or(choice.epsilon);
    if (!found) choice.beta = overrides.beta.value_or(choice.beta);
    require(choice.epsilon >= 0, "wrong value for epsilon: ", choice.epsilon,
            ", expected 0 or more");
    require(choice.beta >= 0, "wrong value for beta: ", choice.beta, ", expected 0 or more");
  }
  composite.lrn = overrides.lrn.value_or(composite.lrn);
  composite.max_pooling = overrides.max_pooling.value_or(composite.max_pooling);
  composite.bias = overrides.bias.value_or(composite.bias);
  composite.toolbox_group_bias =
      overrides.toolbox_group_bias.value_or(composite.toolbox_group_bias);
  composite.auxiliary_softmax = overrides.auxiliary_softmax.value_or(composite.auxiliary_softmax);
  return composite;
}

}  // namespace fovea
