#include "engine/check/distributed_relevance.h"

#include <algorithm>
#include <cmath>

#include "engine/backend/registry.h"
#include "engine/check/bounds.h"
#include "engine/check/plain_tensors.h"
#include "engine/check/step_run.h"
#include "engine/core/random.h"
#include "engine/relevance/composite.h"
#include "engine/relevance/places.h"
#include "engine/relevance/walk_steps.h"
#include "kernels/reference/relevance_distributed.h"
#include "kernels/reference/taps.h"

namespace fovea {
namespace {

constexpr double kUnit = 0x1p-24;

// The layer as a convolution, in double.
struct Layer {
  ConvolutionParams params;
  Tensor<double> x, w, b, r;

  explicit Layer(const DistributedCase& c)
      : x(in_double(c.x)), w(in_double(c.params[0])), r(in_double(c.r)) {
    if (c.params.size() > 1) b = in_double(c.params[1]);
    if (const auto* p = std::get_if<ConvolutionParams>(&c.node->op)) {
      params = *p;
    } else {
      params.outputs = std::get<InnerProductParams>(c.node->op).outputs;
      x.shape = {x.shape.n(), x.shape.count_from(1), 1, 1};
      w.shape = {params.outputs, x.shape.c(), 1, 1};
    }
    r.shape = {r.shape.n(), r.shape.c(), r.shape.h(), r.shape.w()};
  }
  [[nodiscard]] reference::Input bias() const {
    return b.shape.rank() == 1 ? b.view() : reference::Input{};
  }
  [[nodiscard]] std::int64_t taps() const {
    return x.shape.c() / params.groups * params.kernel[0] * params.kernel[1];
  }
  // visit(t, m, index of the pixel in x or -1) for every tap of an output.
  template <class Visit>
  void each_tap(std::int64_t n, std::int64_t k, std::int64_t p, std::int64_t q,
                Visit&& visit) const {
    const double share = bias().data ? b.view()[k] / static_cast<double>(taps()) : 0;
    reference::for_each_tap(
        params, x.shape, k, p, q,
        [&](auto c, auto i, auto s, auto v, auto h, auto at, bool inside) {
          const double wx = inside ? w.view()(k, i, s, v) * x.view()(n, c, h, at) : 0;
          const std::int64_t pixel =
              inside ? ((n * x.shape.c() + c) * x.shape.h() + h) * x.shape.w() + at : -1;
          visit(wx + share, std::abs(wx) + std::abs(share), pixel);
        });
  }
};

// Of one output.
struct OutputSums {
  double positive = 0, negative = 0, magnitude = 0;
};
OutputSums sums_of(const Layer& layer, std::int64_t n, std::int64_t k, std::int64_t p,
                   std::int64_t q) {
  OutputSums sums;
  layer.each_tap(n, k, p, q, [&](double t, double m, std::int64_t) {
    (t > 0 ? sums.positive : sums.negative) += t;
    sums.magnitude += m;
  });
  return sums;
}

// The sums that the rule divides by.
std::vector<double> divisors(const DistributedRule& rule, const OutputSums& sums) {
  if (rule.beta < 0) return {sums.positive + sums.negative};
  if (rule.beta == 0) return {sums.positive};
  return {sums.positive, sums.negative};
}

Tensor<float> formula(const DistributedCase& c) {
  const Layer layer(c);
  Tensor<double> bottom(layer.x.shape);
  reference::relevance_distributed(layer.params, c.rule, layer.x.view(), layer.w.view(),
                                   layer.bias(), layer.r.view(), bottom.view());
  return {c.x.shape, std::vector<float>(bottom.values.begin(), bottom.values.end())};
}

}  // namespace

std::vector<std::pair<std::string, DistributedRule>> distributed_rules_of_layer(
    const Graph& graph, int node, const std::vector<std::string>& presets) {
  std::vector<std::pair<std::string, DistributedRule>> rules;
  const auto add = [&](const RuleChoice& choice) {
    const std::optional<DistributedRule> rule = distributed_rule(choice);
    const bool known =
        rule && std::ranges::any_of(rules, [&](const auto& other) {
          return other.second.epsilon == rule->epsilon && other.second.beta == rule->beta;
        });
    if (rule && !known)
      rules.emplace_back(str(enum_name(choice.rule), ", bias distributed"), *rule);
  };
  const bool all = presets == std::vector<std::string>{"all"};
  const LayerPlace place{.index = node,
                         .depth = linear_depths(graph)[static_cast<std::size_t>(node)],
                         .last = node == last_inner_product(graph)};
  for (const std::string& name : all ? std::vector<std::string>{} : presets) {
    const Composite composite = load_composite(name);
    add(composite.choice_for(graph.nodes[static_cast<std::size_t>(node)], place));
  }
  for (const auto& [name, rule] : enum_names<LinearRuleName>) {
    if (all) add({.rule = rule});
  }
  return rules;
}

void condition(DistributedCase& c, std::uint64_t seed) {
  constexpr double kCancelled = 1e-3;
  const RandomKey random{seed, RandomPurpose::kTest, 3000000};
  c.r = c.y;
  c.bound = Tensor<float>(c.x.shape);
  const Layer layer(c);
  std::vector<double> bound(c.bound.values.size());
  // So many outputs reach an input.
  const double reached = static_cast<double>(layer.params.outputs / layer.params.groups) *
                         static_cast<double>(layer.params.kernel[0] * layer.params.kernel[1]);
  const double of_sum = sum_bound(reached);
  std::size_t at = 0;
  reference::for_each_element(layer.r.shape, [&](auto n, auto k, auto p, auto q) {
    const OutputSums sums = sums_of(layer, n, k, p, q);
    double least = std::numeric_limits<double>::infinity();
    for (const double z : divisors(c.rule, sums)) least = std::min(least, std::abs(z));
    const std::size_t i = at++;
    c.r.values[i] *= least < kCancelled * sums.magnitude ? 0.0F : 0.5F + random_uniform(random, i);
    if (c.r.values[i] == 0) return;
    const reference::DistributedFactors f = reference::distributed_factors(
        c.rule, static_cast<double>(c.r.values[i]), sums.positive, sums.negative);
    const double of_factor = 2 * (3 * kUnit * sums.magnitude / least + 4 * kUnit) + of_sum;
    layer.each_tap(n, k, p, q, [&](double t, double m, std::int64_t pixel) {
      if (pixel < 0) return;
      bound[static_cast<std::size_t>(pixel)] +=
          6 * kUnit * m * (std::abs(f.gain) + std::abs(f.loss)) +
          std::abs(t * (t > 0 ? f.gain : f.loss)) * of_factor;
    });
  });
  std::ranges::transform(bound, c.bound.values.begin(),
                         [](double value) { return static_cast<float>(value); });
}

Tensor<float> run_relevance(const DistributedCase& c, std::string_view device, Device& memory,
                            double& seconds, std::string& implementation) {
  if (device == "reference")
    return run_formula([&] { return formula(c); }, seconds, implementation);
  const UseDevice use(memory);
  const std::unique_ptr<RelevanceKernels> kernels = relevance_kernels(device, memory);
  PlainTensors place(memory);
  const OpTensor x = place(c.x), r = place(c.r), bottom = place(Tensor<float>(c.x.shape));
  const auto step = make_distributed_step(
      {.device = device, .kernels = kernels.get(), .node = c.node, .values = {x}, .top = r},
      c.rule.epsilon, c.rule.beta);
  run_step(*step, memory, {.values = {x}, .top_values = {}, .tops = {r}, .bottoms = {bottom}},
           c.params, seconds, implementation);
  return download_plain(memory, bottom);
}

}  // namespace fovea
