#include "apps/relevance_arguments.h"

#include <algorithm>

#include "apps/common.h"

namespace fovea::apps {
namespace {

template <class E>
E parse_enum(const std::string& text, const char* option) {
  E value{};
  read_json(Json(text), value, option);
  return value;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 7 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

CompositeOverrides overrides_of(const RuleArguments& a, const Graph& graph) {
  CompositeOverrides overrides{.epsilon = a.epsilon,
                               .beta = a.beta,
                               .bias = parse_enum<BiasRule>(a.bias, "--bias"),
                               .toolbox_group_bias = a.toolbox_group_bias};
  if (a.lrn) overrides.lrn = parse_enum<LrnRule>(*a.lrn, "--lrn");
  if (a.max_pooling)
    overrides.max_pooling = parse_enum<MaxPoolingRule>(*a.max_pooling, "--max-pooling");
  if (!a.flat_until.empty()) overrides.flat_until = layer_index(graph, a.flat_until, -1);
  if (a.aux_softmax) overrides.auxiliary_softmax = *a.aux_softmax == "inject";
  return overrides;
}

// Options that were given and that no line of the composite listens to.
void report_unused(const RuleArguments& a, const Composite& composite) {
  const auto none = [&](auto&& uses) { return std::ranges::none_of(composite.rules, uses); };
  const auto report = [&](const char* option) {
    talk(str(option, " is not used by rule ", a.rule));
  };
  if (a.epsilon && none([](auto& c) { return c.rule == LinearRuleName::kEpsilon; }))
    report("--eps");
  if (a.beta && none([](auto& c) { return c.rule == LinearRuleName::kAlphaBeta; }))
    report("--beta");
  if (!a.flat_until.empty() && none([](auto& c) { return c.up_to >= 0; })) report("--flat-until");
}

}  // namespace

void add_input_options(CLI::App& app, InputArguments& a) {
  app.add_option("IMAGE", a.images, "photographs");
  app.add_option("--net", a.net, "net (default: the one in the weights' metadata)");
  app.add_option("--weights", a.weights, "trained weights");
  app.add_option("--mean", a.mean, "mean image (default: the weights' own)");
  app.add_option("--input", a.input, "float32 N x C x H x W array, used as is");
  app.add_option("--data", a.store, "store, with --view");
  app.add_option("--view", a.view, "view of the store");
  app.add_option("--limit", a.limit, "images of the view, 0 = all")
      ->check(CLI::Range(0, 1000000000));
  app.add_option("--batch", a.batch, "images at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

void add_rule_options(CLI::App& app, RuleArguments& a) {
  app.add_option("--rule", a.rule, "epsilon | alpha-beta | z-plus | study | toolbox-N | FILE.json")
      ->capture_default_str();
  app.add_option("--eps", a.epsilon, "epsilon (0.1)");
  app.add_option("--beta", a.beta, "beta of alpha-beta; alpha = 1 + beta (1)");
  app.add_option("--lrn", a.lrn, "identity | taylor | toolbox | gradient");
  app.add_option("--max-pooling", a.max_pooling, "winner | average");
  app.add_option("--bias", a.bias, "absorb | ignore | distribute")->capture_default_str();
  app.add_option("--flat-until", a.flat_until,
                 "last layer (name or index) of the low part of toolbox-54 to 60, 102, 104, 114");
  app.add_option("--aux-softmax", a.aux_softmax,
                 "probabilities of auxiliary heads: inject (toolbox-N) | drop")
      ->check(CLI::IsMember({"inject", "drop"}));
  app.add_flag("--toolbox-group-bias", a.toolbox_group_bias,
               "group 0's biases in every group, as the LRP Toolbox");
}

void add_walk_options(CLI::App& app, WalkArguments& a) {
  app.add_option("--target", a.target, "predicted | label | N | N,N,...")->capture_default_str();
  app.add_option("--start-relevance", a.start, "score | X")->capture_default_str();
  app.add_option("--first", a.first, "layer (name or index) where the walk ends");
  app.add_option("--last", a.last, "layer where it starts (the last inner product)");
}

void add_output_options(CLI::App& app, OutputArguments& a) {
  app.add_option("--out", a.out, "folder for PNG and .npy files");
  app.add_option("--layers", a.layers, "write relevance of inner layers: NAME,... | all");
  app.add_option("--colormap", a.colormap, "colour map of the heatmaps")->capture_default_str();
  app.add_flag("--raw", a.raw, "also NAME.relevance.npy");
}

int layer_index(const Graph& graph, const std::string& text, int fallback) {
  if (text.empty()) return fallback;
  return is_number(text) ? std::stoi(text) : graph.find_node(text);
}

Composite composite_of(const RuleArguments& a, const Graph& graph) {
  Composite composite = load_composite(a.rule, overrides_of(a, graph));
  report_unused(a, composite);
  return composite;
}

int target_of(const WalkArguments& a, const std::string& image, std::size_t index, int label,
              std::span<const float> scores) {
  if (a.target == "predicted")
    return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
  if (a.target == "label") {
    require(label >= 0, "no label for image ", image,
            ", expected --data and a view with labels for --target label");
    return label;
  }
  std::vector<std::string> parts(1);
  for (const char c : a.target) c == ',' ? void(parts.emplace_back()) : void(parts.back() += c);
  const std::string& part =
      parts.size() == 1 ? parts[0] : parts.at(std::min(index, parts.size() - 1));
  require(is_number(part), "wrong --target: '", a.target,
          "', expected predicted | label | N | N,N,...");
  return std::stoi(part);
}

}  // namespace fovea::apps
