#include "engine/relevance/composite.h"

#include <algorithm>
#include <cmath>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/pattern.h"
#include "engine/relevance/composite_files.h"

namespace fovea {
namespace {

using enum LinearRuleName;

// The rules of a formula type of the LRP Toolbox by kind of layer: in its low part (layers up to a
// limit), at the layer where the walk ends if that is a convolution, and elsewhere.
struct Formula {
  std::string_view name;
  LinearRuleName convolution, inner_product;
  std::optional<LinearRuleName> low, first_convolution;
  // The LRP Toolbox's alpha-beta with beta 0 above layer 15 and 1 below, whatever is asked for.
  bool fixed_convolution = false, fixed_inner_product = false;
  ReluRule relu = ReluRule::kPass;
};

constexpr Formula kFormulas[] = {
    {"toolbox-0", kEpsilon, kEpsilon, {}, {}},
    {"toolbox-2", kAlphaBeta, kAlphaBeta, {}, {}},
    {"toolbox-6", kAlphaBeta, kAlphaBeta, {}, kZBoxToolbox, false, true},
    {"toolbox-8", kEpsilon, kAlphaBeta, {}, kZBoxToolbox, false, true},
    {"toolbox-11", kGradient, kGradient, {}, {}, false, false, ReluRule::kGradient},
    {"toolbox-18", kAlphaBeta, kAlphaBeta, {}, kZBoxToolbox, true, true},
    {"toolbox-22", kAlphaBeta, kAlphaBeta, {}, {}, true, true},
    {"toolbox-26", kGradient, kGradient, {}, {}, false, false, ReluRule::kPositive},
    {"toolbox-54", kEpsilon, kEpsilon, kFlatToolbox, {}},
    {"toolbox-56", kEpsilon, kEpsilon, kWSquareToolbox, {}},
    {"toolbox-58", kAlphaBeta, kAlphaBeta, kFlatToolbox, {}},
    {"toolbox-60", kAlphaBeta, kAlphaBeta, kWSquareToolbox, {}},
    {"toolbox-99", kGradient, kGradient, {}, {}, false, false, ReluRule::kGradient},
    {"toolbox-100", kAlphaBeta, kEpsilon, {}, {}},
    {"toolbox-102", kAlphaBeta, kEpsilon, kFlatToolbox, {}},
    {"toolbox-104", kAlphaBeta, kEpsilon, kWSquareToolbox, {}},
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

Composite composite_of(const Formula& preset, const CompositeOverrides& overrides) {
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
  const bool ordinary_backward = preset.relu == ReluRule::kGradient;
  composite.lrn = ordinary_backward ? LrnRule::kGradient : LrnRule::kToolbox;
  composite.average_pooling =
      ordinary_backward ? AveragePoolingRule::kGradient : AveragePoolingRule::kToolbox;
  if (preset.name == "toolbox-99") composite.map = MapRule::kChannelNorm;
  composite.auxiliary_softmax = !ordinary_backward;
  return composite;
}

std::string preset_name(std::string name) {
  for (char& c : name) c = c == '_' ? '-' : c;
  return name;
}

void apply(const CompositeOverrides& overrides, Composite& composite) {
  for (RuleChoice& choice : composite.rules) {
    choice.epsilon = overrides.epsilon.value_or(choice.epsilon);
    choice.gamma = overrides.gamma.value_or(choice.gamma);
    if (choice.up_to >= 0) choice.up_to = overrides.flat_until.value_or(choice.up_to);
    if (!overrides.beta) continue;
    choice.beta = *overrides.beta;
    choice.alpha = 0;
  }
}

void check(const RuleChoice& choice, const std::string& where) {
  const auto not_negative = [&](const char* key, float value) {
    require(value >= 0 && std::isfinite(value), "wrong value for ", key, " in ", where, ": ", value,
            ", expected 0 or more");
  };
  not_negative("epsilon", choice.epsilon);
  not_negative("gamma", choice.gamma);
  not_negative("beta", choice.beta);
  require(choice.alpha == 0 || std::fabs(choice.alpha - choice.beta - 1) < 1e-6F,
          "wrong value for alpha in ", where, ": ", choice.alpha, " with beta ", choice.beta,
          ", expected alpha - beta = 1");
  require(choice.max_depth == 0 || choice.max_depth >= choice.min_depth,
          "wrong value for max_depth in ", where, ": ", choice.max_depth, ", expected ",
          choice.min_depth, " or more");
}

}  // namespace

const RuleChoice& Composite::choice_for(const Node& node, const LayerPlace& place) const {
  for (const RuleChoice& choice : rules) {
    if (!matches(choice.type, op_type_name(node.op)) || !matches(choice.name, node.name)) continue;
    if ((choice.first && !place.first) || (choice.last && !place.last)) continue;
    if (choice.up_to >= 0 && place.index > choice.up_to) continue;
    if (choice.above >= 0 && place.index <= choice.above) continue;
    if (place.depth < choice.min_depth) continue;
    if (choice.max_depth > 0 && place.depth > choice.max_depth) continue;
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
      case kEpsilonRelative:
        return epsilon_relative_rule(choice.epsilon);
      case kGamma:
        return gamma_rule(choice.gamma);
      case kAlphaBeta:
        return alpha_beta_rule(choice.beta);
      case kZPlus:
        return z_plus_rule();
      case kZBox:
        return z_box_rule();
      case kZBoxToolbox:
        return z_box_toolbox_rule();
      case kWSquare:
        return w_square_rule();
      case kWSquareToolbox:
        return w_square_toolbox_rule();
      case kFlat:
        return flat_rule();
      case kFlatToolbox:
        return flat_toolbox_rule(divisor());
      case kExcitation:
        return excitation_rule();
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
  for (const CompositeFile& file : composite_files()) names.emplace_back(file.name);
  for (const Formula& formula : kFormulas) names.emplace_back(formula.name);
  return names;
}

bool needs_flat_until(const std::string& name) {
  return std::ranges::any_of(
      kFormulas, [&](const Formula& formula) { return formula.name == name && formula.low; });
}

Composite load_composite(const std::string& name_or_file, const CompositeOverrides& overrides) {
  Composite composite;
  bool found = false;
  const std::string name = preset_name(name_or_file);
  for (const Formula& formula : kFormulas) {
    if (formula.name != name) continue;
    composite = composite_of(formula, overrides);
    found = true;
  }
  std::string where = "configs/relevance/" + name + ".json";
  for (const CompositeFile& file : composite_files()) {
    if (file.name != name) continue;
    read_json(Json::parse(file.json), composite, where);
    apply(overrides, composite);
    found = true;
  }
  if (!found) {
    std::string known;
    for (const auto& preset : composite_presets()) known += preset + " | ";
    require(name_or_file.ends_with(".json"), "unknown rule: '", name_or_file, "', expected ", known,
            "FILE.json", did_you_mean(name_or_file, composite_presets()));
    where = name_or_file;
    read_json(read_json_file(name_or_file), composite, where);
    apply(overrides, composite);
  }
  for (std::size_t i = 0; i < composite.rules.size(); ++i)
    check(composite.rules[i], str(where, ": rules[", i, "]"));
  composite.lrn = overrides.lrn.value_or(composite.lrn);
  composite.max_pooling = overrides.max_pooling.value_or(composite.max_pooling);
  composite.bias = overrides.bias.value_or(composite.bias);
  composite.toolbox_group_bias =
      overrides.toolbox_group_bias.value_or(composite.toolbox_group_bias);
  composite.auxiliary_softmax = overrides.auxiliary_softmax.value_or(composite.auxiliary_softmax);
  composite.repeat.steps = overrides.steps.value_or(composite.repeat.steps);
  composite.repeat.noise = overrides.noise.value_or(composite.repeat.noise);
  require(composite.repeat.steps >= 1, "wrong value for steps in ", where, ": ",
          composite.repeat.steps, ", expected 1 or more");
  return composite;
}

}  // namespace fovea
