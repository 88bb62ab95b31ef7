#include "engine/check/other_relevance.h"

#include <algorithm>
#include <cmath>

#include "engine/backend/registry.h"
#include "engine/check/other_bounds.h"
#include "engine/check/plain_tensors.h"
#include "engine/check/step_run.h"
#include "engine/core/random.h"
#include "engine/relevance/verify.h"
#include "engine/relevance/walk_steps.h"

namespace fovea {
namespace {

// Every combination of what the rules say.
std::vector<OtherRules> all_rules() {
  std::vector<OtherRules> all;
  for (const auto& [max_name, max] : enum_names<MaxPoolingRule>) {
    for (const auto& [average_name, average] : enum_names<AveragePoolingRule>)
      all.push_back({.max_pooling = max, .average_pooling = average});
  }
  for (const auto& [name, lrn] : enum_names<LrnRule>) all.push_back({.lrn = lrn});
  for (const auto& [name, relu] : enum_names<ReluRule>) all.push_back({.relu = relu});
  return all;
}

// What of the rules this layer goes by; "" where it has no rule.
std::string name_of(const OpParams& op, const OtherRules& rules) {
  if (const auto* pool = std::get_if<PoolingParams>(&op)) {
    if (pool->mode != PoolingMode::kMax) return std::string(enum_name(rules.average_pooling));
    if (rules.max_pooling == MaxPoolingRule::kWinner) return "winner";
    return rules.average_pooling == AveragePoolingRule::kToolbox ? "average, toolbox" : "average";
  }
  if (const auto* lrn = std::get_if<LrnParams>(&op)) {
    const bool everywhere = rules.lrn == LrnRule::kIdentity || rules.lrn == LrnRule::kGradient;
    if (!everywhere && lrn->region != LrnRegion::kAcrossChannels) return "";
    return std::string(enum_name(rules.lrn));
  }
  if (std::holds_alternative<ReluParams>(op)) return std::string(enum_name(rules.relu));
  if (std::holds_alternative<DropoutParams>(op)) return "pass";
  if (std::holds_alternative<ConcatParams>(op)) return "slices";
  if (std::holds_alternative<SplitParams>(op)) return "sum";
  if (std::holds_alternative<SoftmaxParams>(op)) return "probabilities";
  return "";
}

std::vector<Tensor<float>> in_double(const OtherCase& c, Device& memory) {
  const LayerInputs inputs{.bottoms = c.values, .params = {}, .top_grads = c.r};
  if (std::holds_alternative<SoftmaxParams>(c.node->op))
    return run_layer("reference", memory, c.problem, inputs, false).tops;
  if (const auto* concat = std::get_if<ConcatParams>(&c.node->op); concat && concat->axis != 1)
    return run_layer("reference", memory, c.problem, inputs, true).bottom_grads;
  VerifyProblem problem{.node = c.node, .other = c.rules};
  problem.values = c.values, problem.tops = c.r;
  problem.bottoms = c.values;  // for their shapes
  std::vector<Tensor<float>> result;
  for (const Tensor<double>& exact : reference_relevance(problem))
    result.emplace_back(exact.shape, std::vector<float>(exact.values.begin(), exact.values.end()));
  return result;
}

}  // namespace

std::vector<NamedRule> other_rules_of_layer(const Node& node,
                                            const std::vector<std::string>& presets) {
  std::vector<OtherRules> candidates;
  if (presets == std::vector<std::string>{"all"}) {
    candidates = all_rules();
  } else {
    for (const std::string& preset : presets)
      candidates.push_back(other_rules(load_composite(preset)));
  }
  std::vector<NamedRule> rules;
  for (const OtherRules& candidate : candidates) {
    const std::string name = name_of(node.op, candidate);
    const bool known = std::ranges::any_of(rules, [&](const auto& r) { return r.name == name; });
    if (!name.empty() && !known) rules.push_back({name, candidate});
  }
  return rules;
}

void condition(OtherCase& c, std::uint64_t seed) {
  constexpr double kCancelled = 1e-3;
  c.r.clear();
  for (std::size_t t = 0; t < c.problem.tops.size(); ++t) {
    Tensor<float>& r = c.r.emplace_back(c.problem.tops[t]);
    const RandomKey random{seed, RandomPurpose::kTest, 3000000 + t};
    for (std::size_t i = 0; i < r.values.size(); ++i)
      r.values[i] = 2 * random_uniform(random, i) - 1;
  }
  if (divides_by_windows(c.node->op, c.rules)) {
    const WindowSums sums =
        window_sums(std::get<PoolingParams>(c.node->op), c.values[0], c.r[0].shape);
    for (std::size_t i = 0; i < c.r[0].values.size(); ++i) {
      if (std::abs(sums.sum.values[i]) < kCancelled * sums.magnitude.values[i])
        c.r[0].values[i] = 0;
    }
  }
  c.bounds = other_bounds(c);
}

std::vector<Tensor<float>> run_relevance(const OtherCase& c, std::string_view device,
                                         Device& memory, double& seconds,
                                         std::string& implementation) {
  if (device == "reference")
    return run_formula([&] { return in_double(c, memory); }, seconds, implementation);
  const UseDevice use(memory);
  const std::unique_ptr<RelevanceKernels> kernels = relevance_kernels(device, memory);
  PlainTensors place(memory);
  RelevanceBinding binding;
  for (const Tensor<float>& value : c.values) {
    binding.values.push_back(place(value));
    binding.bottoms.push_back(place(Tensor<float>(value.shape)));
  }
  for (const Tensor<float>& r : c.r) binding.tops.push_back(place(r));
  const auto step = make_other_step({.device = device,
                                     .kernels = kernels.get(),
                                     .node = c.node,
                                     .values = binding.values,
                                     .top = binding.tops[0],
                                     .non_negative_input = false,
                                     .bounds = nullptr},
                                    c.rules);
  run_step(*step, memory, binding, {}, seconds, implementation);
  std::vector<Tensor<float>> result;
  for (const OpTensor& bottom : binding.bottoms) result.push_back(download_plain(memory, bottom));
  return result;
}

}  // namespace fovea
