#include "engine/check/relevance_check.h"

#include <algorithm>
#include <cmath>

#include "engine/backend/host_device.h"
#include "engine/backend/registry.h"
#include "engine/check/bounds.h"
#include "engine/check/plain_tensors.h"
#include "engine/check/step_run.h"
#include "engine/core/random.h"
#include "engine/relevance/composite.h"
#include "engine/relevance/places.h"
#include "engine/relevance/verify.h"

namespace fovea {
namespace {

// What makes two tables different.
auto key(const RelevanceRule& rule) {
  return std::tuple{rule.name,        rule.epsilon,       rule.gamma,
                    rule.coefficient, rule.group0_biases, rule.term[0].bias};
}

OpProblem problem_of(const RelevanceCase& c) {
  return {.params = c.node->op,
          .bottoms = {c.x.shape},
          .tops = {c.y.shape},
          .bottom_layouts = {Layout::kPlain},
          .propagate = {true},
          .training = true};
}

// Sums in front of a rule's quotients, per group, and of their parts' magnitudes.
struct GroupSums {
  Tensor<float> z, magnitude;
};

class Conditioner {
 public:
  explicit Conditioner(RelevanceCase& c)
      : c_(c),
        device_(c.x.shape.c() <= 4 ? "reference" : "cpu"),  // which has no fast way back to pixels
        outputs_(static_cast<std::size_t>(c.y.shape.c())) {
    const auto* conv = std::get_if<ConvolutionParams>(&c.node->op);
    const double taps =
        static_cast<double>(c.params[0].shape.count()) / static_cast<double>(outputs_);
    forward_ = sum_bound(taps * c.rule.terms);
    backward_ = sum_bound(static_cast<double>(outputs_) * c.rule.terms *
                          (conv ? static_cast<double>(conv->kernel[0] * conv->kernel[1]) : 1));
    shared_ = conv ? outputs_ / static_cast<std::size_t>(conv->groups) : outputs_;
  }

  void run(std::uint64_t seed) {
    std::vector<GroupSums> groups(static_cast<std::size_t>(c_.rule.groups),
                                  {Tensor<float>(c_.y.shape), Tensor<float>(c_.y.shape)});
    if (c_.rule.stabilizer != Stabilizer::kUndivided) {
      for (const RelevanceTerm& term : c_.rule.table()) add_term(term, groups[term.group]);
    }
    draw_relevance(groups, seed);
    c_.bound = Tensor<float>(c_.x.shape);
    for (const RelevanceTerm& term : c_.rule.table()) add_bound(term, groups[term.group]);
  }

 private:
  [[nodiscard]] Tensor<float> input(const RelevanceTerm& term) const {
    Tensor<float> a = c_.x;
    const Tensor<float>& bound = term.input == InputMap::kHigh ? c_.bounds.high : c_.bounds.low;
    const bool bounded = term.input == InputMap::kLow || term.input == InputMap::kHigh;
    for (std::size_t i = 0; i < a.values.size(); ++i)
      a.values[i] =
          bounded ? bound.values[i % bound.values.size()] : mapped(term.input, a.values[i]);
    return a;
  }
  [[nodiscard]] std::vector<Tensor<float>> params(const RelevanceTerm& term) const {
    std::vector<Tensor<float>> p = c_.params;
    for (float& w : p[0].values) w = term.sign * mapped(term.weight, w, c_.rule.gamma);
    for (std::size_t k = 0; p.size() > 1 && k < p[1].values.size(); ++k) {
      const float b = c_.params[1].values[c_.rule.group0_biases ? k % shared_ : k];
      p[1].values[k] = term.sign * mapped(term.bias, b, c_.rule.gamma);
    }
    return p;
  }
  static Tensor<float> absolute(Tensor<float> t) {
    for (float& value : t.values) value = std::abs(value);
    return t;
  }

  void add_term(const RelevanceTerm& term, GroupSums& to) const {
    const std::vector<Tensor<float>> p = params(term);
    std::vector<Tensor<float>> magnitudes = p;
    for (Tensor<float>& t : magnitudes) t = absolute(t);
    const auto add = [&](const std::vector<Tensor<float>>& of, const Tensor<float>& x,
                         Tensor<float>& sum) {
      const Tensor<float> part = term.sum == TermSum::kEveryTap ? every_tap(of) : forward(of, x);
      std::ranges::transform(sum.values, part.values, sum.values.begin(), std::plus<>());
    };
    const Tensor<float> a = input(term);
    add(p, a, to.z);
    add(magnitudes, absolute(a), to.magnitude);
  }
  [[nodiscard]] Tensor<float> forward(const std::vector<Tensor<float>>& p,
                                      const Tensor<float>& x) const {
    return run_layer(device_, *host_, problem_of(c_), {{x}, p, {}}, false).tops[0];
  }
  // Of a map that is 1 on padding, too.
  [[nodiscard]] Tensor<float> every_tap(const std::vector<Tensor<float>>& p) const {
    Tensor<float> sums(c_.y.shape);
    const std::size_t row = p[0].values.size() / outputs_,
                      plane = static_cast<std::size_t>(c_.y.shape.h() * c_.y.shape.w());
    for (std::size_t i = 0; i < sums.values.size(); ++i) {
      const std::size_t k = i / plane % outputs_;
      double sum = 0;
      for (std::size_t t = 0; t < row; ++t) sum += static_cast<double>(p[0].values[k * row + t]);
      sums.values[i] = static_cast<float>(sum);
    }
    return sums;
  }

  void draw_relevance(const std::vector<GroupSums>& groups, std::uint64_t seed) const {
    constexpr float kCancelled = 1e-3F;
    c_.r = c_.y;
    const RandomKey random{seed, RandomPurpose::kTest, 2000000};
    for (std::size_t i = 0; i < c_.r.values.size(); ++i) {
      float z = 0, magnitude = 0;
      bool cancelled = false;
      for (const GroupSums& group : groups) {
        const float one = group.z.values[i], of = group.magnitude.values[i];
        cancelled = cancelled || std::abs(one) < kCancelled * of;
        z += one, magnitude += of;
      }
      if (c_.rule.gate == Gate::kSign)
        cancelled = cancelled || std::abs(z) < kCancelled * magnitude;
      c_.r.values[i] *= cancelled ? 0.0F : 0.5F + random_uniform(random, i);
    }
  }

  // |S| (g_Z Zabs / |Z| + g_R) of a group: what an error of Z or of the sums below makes of S.
  [[nodiscard]] Tensor<float> quotient_error(std::size_t g, const GroupSums& group) const {
    Tensor<float> error(c_.y.shape);
    const std::size_t size = error.values.size() / static_cast<std::size_t>(c_.y.shape.n());
    for (std::size_t i = 0; i < error.values.size(); ++i) {
      const auto z = static_cast<double>(group.z.values[i]),
                 r = static_cast<double>(c_.r.values[i]);
      if (r == 0) continue;
      double epsilon = static_cast<double>(c_.rule.epsilon);
      if (c_.rule.stabilizer == Stabilizer::kRelative)
        epsilon *= root_mean_square(group.z, i / size * size, size);
      const double s = static_cast<double>(c_.rule.coefficient[g]) *
                       stabilized_quotient(c_.rule.stabilizer, r, z, epsilon);
      const double of_z =
          z == 0 ? 0
                 : 1.1 * forward_ * static_cast<double>(group.magnitude.values[i]) / std::abs(z);
      error.values[i] = static_cast<float>(std::abs(s) * (of_z + forward_ + backward_));
    }
    return error;
  }
  static double root_mean_square(const Tensor<float>& z, std::size_t first, std::size_t count) {
    double squares = 0;
    for (std::size_t i = first; i < first + count; ++i)
      squares += static_cast<double>(z.values[i]) * static_cast<double>(z.values[i]);
    return std::sqrt(squares / static_cast<double>(count));
  }

  void add_bound(const RelevanceTerm& term, const GroupSums& group) const {
    std::vector<Tensor<float>> p = params(term);
    for (Tensor<float>& t : p) t = absolute(t);
    const LayerOutputs down =
        run_layer(device_, *host_, problem_of(c_), {{c_.x}, p, {quotient_error(term.group, group)}},
                  /*backward=*/true);
    const Tensor<float> a = absolute(input(term));
    for (std::size_t i = 0; i < a.values.size(); ++i)
      c_.bound.values[i] += a.values[i] * std::abs(down.bottom_grads[0].values[i]);
  }

  RelevanceCase& c_;
  std::string_view device_;
  std::size_t outputs_, shared_ = 1;
  double forward_ = 0, backward_ = 0;
  std::shared_ptr<Device> host_ = open_host_device();
};

Tensor<float> in_double(const RelevanceCase& c) {
  VerifyProblem problem{.node = c.node, .other = {}, .rule = &c.rule};
  problem.values = {c.x}, problem.tops = {c.r};
  problem.weight = c.params[0].values;
  if (c.params.size() > 1) problem.bias = c.params[1].values;
  problem.bounds = c.bounds.low.shape.rank() == 3 ? &c.bounds : nullptr;
  const Tensor<double> exact = reference_relevance(problem)[0];
  return {exact.shape, std::vector<float>(exact.values.begin(), exact.values.end())};
}

}  // namespace

std::vector<RelevanceRule> rules_of_layer(const Graph& graph, int node,
                                          const std::vector<std::string>& presets) {
  const Node& layer = graph.nodes[static_cast<std::size_t>(node)];
  const std::vector<int> depths = linear_depths(graph);
  const bool pixels = graph.tensors[static_cast<std::size_t>(layer.bottoms[0])].producer < 0;
  const bool all = presets == std::vector<std::string>{"all"};
  std::vector<RelevanceRule> rules;
  const auto add = [&](const RelevanceRule& rule) {
    const bool known =
        std::ranges::any_of(rules, [&](const auto& other) { return key(other) == key(rule); });
    if (!known && (pixels || !needs_bounds(rule))) rules.push_back(rule);
  };
  for (const std::string& name : all ? composite_presets() : presets) {
    // Both sides of a part that ends at some layer (--flat-until): this one's, and the one's above.
    for (const int until : {node, node - 1}) {
      const Composite composite = load_composite(name, {.flat_until = std::max(until, 0)});
      const LayerPlace place{.index = node,
                             .depth = depths[static_cast<std::size_t>(node)],
                             .first = pixels,
                             .last = node == last_inner_product(graph)};
      add(composite.table_of(composite.choice_for(layer, place), layer));
    }
  }
  for (const auto& [name, rule] : enum_names<LinearRuleName>) {
    if (all) add(Composite().table_of({.rule = rule}, layer));
  }
  return rules;
}

void condition(RelevanceCase& problem, std::uint64_t seed) { Conditioner(problem).run(seed); }

Tensor<float> run_relevance(const RelevanceCase& c, std::string_view device, Device& memory,
                            double& seconds, std::string& implementation) {
  if (device == "reference")
    return run_formula([&] { return in_double(c); }, seconds, implementation);
  const UseDevice use(memory);
  const std::unique_ptr<RelevanceKernels> kernels = relevance_kernels(device, memory);
  PlainTensors place(memory);
  const OpTensor x = place(c.x), r = place(c.r), bottom = place(Tensor<float>(c.x.shape));
  const bool non_negative = std::ranges::all_of(c.x.values, [](float v) { return v >= 0; });
  const auto step =
      make_linear_step({.device = device,
                        .kernels = kernels.get(),
                        .node = c.node,
                        .values = {x},
                        .top = r,
                        .non_negative_input = non_negative,
                        .bounds = c.bounds.low.shape.rank() == 3 ? &c.bounds : nullptr},
                       c.rule);
  run_step(*step, memory, {.values = {x}, .top_values = {}, .tops = {r}, .bottoms = {bottom}},
           c.params, seconds, implementation);
  return download_plain(memory, bottom);
}

}  // namespace fovea
