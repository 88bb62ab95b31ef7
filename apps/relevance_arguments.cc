#include "apps/relevance_arguments.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/common.h"
#include "apps/resolve.h"
#include "engine/core/json_fields.h"

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
                               .toolbox_group_bias = a.toolbox_group_bias,
                               .gamma = a.gamma,
                               .steps = a.steps,
                               .noise = a.noise};
  if (a.lrn) overrides.lrn = parse_enum<LrnRule>(*a.lrn, "--lrn");
  if (a.max_pooling)
    overrides.max_pooling = parse_enum<MaxPoolingRule>(*a.max_pooling, "--max-pooling");
  if (!a.flat_until.empty()) overrides.flat_until = layer_index(graph, a.flat_until, -1);
  if (a.aux_softmax) overrides.auxiliary_softmax = *a.aux_softmax == "inject";
  return overrides;
}

// Options that were given and that nothing on this net listens to.
void report_unused(const RuleArguments& a, const Composite& composite, const Graph& graph) {
  using enum LinearRuleName;
  const auto report = [&](bool given, bool used, const char* option) {
    if (given && !used) talk(str(option, " is not used by rule ", a.rule, " on this net"));
  };
  const auto any_rule = [&](std::initializer_list<LinearRuleName> rules) {
    return std::ranges::any_of(composite.rules, [&](const RuleChoice& c) {
      return std::ranges::find(rules, c.rule) != rules.end();
    });
  };
  const auto any_layer = [&](auto&& asked) { return std::ranges::any_of(graph.nodes, asked); };
  report(a.epsilon.has_value(), any_rule({kEpsilon, kEpsilonRelative}), "--eps");
  report(a.beta.has_value(), any_rule({kAlphaBeta}), "--beta");
  report(a.gamma.has_value(), any_rule({kGamma}), "--gamma");
  report(!a.flat_until.empty(),
         std::ranges::any_of(composite.rules, [](auto& c) { return c.up_to >= 0; }),
         "--flat-until");
  report(a.lrn.has_value(),
         any_layer([](const Node& n) { return std::holds_alternative<LrnParams>(n.op); }), "--lrn");
  report(a.max_pooling.has_value(), any_layer([](const Node& n) {
           const auto* p = std::get_if<PoolingParams>(&n.op);
           return p && p->mode == PoolingMode::kMax;
         }),
         "--max-pooling");
  report(a.bias != "absorb", any_layer([](const Node& n) { return n.params.size() > 1; }),
         "--bias");
  report(a.aux_softmax.has_value(),
         std::ranges::count_if(
             graph.nodes,
             [](const Node& n) { return std::holds_alternative<SoftmaxParams>(n.op); }) > 1,
         "--aux-softmax");
  report(a.toolbox_group_bias,
         any_rule({kAlphaBeta, kZPlus, kZBoxToolbox}) && any_layer([](const Node& n) {
           const auto* p = std::get_if<ConvolutionParams>(&n.op);
           return p && p->groups > 1;
         }),
         "--toolbox-group-bias");
  report(a.steps.has_value(), composite.repeat.kind != RepeatKind::kOnce, "--walks");
  report(a.noise.has_value(), composite.repeat.kind == RepeatKind::kSmoothGrad, "--noise");
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) c == at ? void(parts.emplace_back()) : void(parts.back() += c);
  return parts;
}

[[noreturn]] void wrong_target(const WalkArguments& a) {
  throw Error(str("wrong --target: '", a.target,
                  "', expected predicted | label | topN | N, sums and differences of these ",
                  "(predicted-label), or a comma list with one per image"));
}

// Adds one summand of a target.
void add_target(const WalkArguments& a, const std::string& word, float weight,
                const std::string& image, int label, std::span<const float> scores,
                std::vector<StartUnit>& starts) {
  if (word == "predicted") {
    starts.push_back({static_cast<int>(std::ranges::max_element(scores) - scores.begin()), weight});
  } else if (word == "label") {
    require(label >= 0, "no label for image ", image,
            ", expected --data and a view with labels for --target label");
    starts.push_back({label, weight});
  } else if (word.starts_with("top") && is_number(word.substr(3))) {
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](int unit) { return scores[static_cast<std::size_t>(unit)]; });
    const auto count = std::min(order.size(), static_cast<std::size_t>(std::stoul(word.substr(3))));
    for (std::size_t i = 0; i < count; ++i) starts.push_back({order[i], weight});
  } else if (is_number(word)) {
    starts.push_back({std::stoi(word), weight});
  } else {
    wrong_target(a);
  }
}

}  // namespace

void add_input_options(CLI::App& app, InputArguments& a) {
  app.add_option("IMAGE", a.images, "photographs");
  app.add_option("--net", a.net, "net (default: the one in the weights' metadata)");
  app.add_option("--model", a.model, "trained model: all that is needed (`fovea model bundle`)");
  app.add_option("--weights", a.weights, "instead of --model: trained weights");
  app.add_option("--mean", a.mean, "mean image (default: the weights' own)");
  app.add_option("--input", a.input, "float32 N x C x H x W array, used as is");
  app.add_option("--data", a.store, "store, with --view");
  app.add_option("--view", a.view, "view of the store");
  app.add_option("--limit", a.limit, "images of the view, 0 = all")
      ->check(CLI::Range(0, 1000000000));
  app.add_option("--batch", a.batch, "images at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--memory", a.memory, "instead: as many as fit into this many MB, 0 = --batch")
      ->check(CLI::Range(0, 1 << 30));
}

void settle_input(InputArguments& a) {
  if (auto model = settle_model(a.model, a.weights, a.net, a.mean))
    a.settled = std::make_shared<Model>(std::move(*model));
  if (a.weights.empty()) throw CLI::RequiredError("--model or --weights");
}

void add_rule_options(CLI::App& app, RuleArguments& a) {
  app.add_option(
         "--rule", a.rule,
         "study | EpsilonPlus | gamma | gradient | toolbox-N | ... | FILE.json (a wrong name "
         "lists all)")
      ->capture_default_str();
  app.add_option("--eps", a.epsilon, "epsilon of the epsilon rules (as the rule says)");
  app.add_option("--beta", a.beta, "beta of alpha-beta; alpha = 1 + beta (1)");
  app.add_option("--gamma", a.gamma, "gamma of the gamma rule (0.25)");
  app.add_option("--walks", a.steps, "walks of integrated-gradients and smoothgrad (32)");
  app.add_option("--noise", a.noise, "noise of smoothgrad, of the image's range (0.15)");
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
  app.add_option("--target", a.target,
                 "predicted | label | topN | N, sums and differences (predicted-label), or one per "
                 "image: N,N,...")
      ->capture_default_str();
  app.add_option("--start-relevance", a.start, "score | X | X.npy (of the start layer's shape)")
      ->capture_default_str();
  app.add_option("--first", a.first, "layer (name or index) where the walk ends");
  app.add_option("--last", a.last, "layer where it starts (the last inner product)");
  app.add_option("--channels", a.channels,
                 "LAYER:C,C,...: relevance passes the layer through these channels only")
      ->allow_extra_args(false);
}

void add_output_options(CLI::App& app, OutputArguments& a) {
  app.add_option("--out", a.out, "folder for PNG and .npy files");
  app.add_option("--layers", a.layers, "write relevance of inner layers: NAME,... | all");
  app.add_option("--colormap", a.colormap, "colour map of the heatmaps")->capture_default_str();
  app.add_option(
         "--range", a.range,
         "colours over symmetric | absolute | positive values (absolute for sequential maps)")
      ->check(CLI::IsMember({"symmetric", "absolute", "positive"}));
  app.add_option("--normalize", a.normalize,
                 "the last colour is the largest value of each image | batch | none: it is 1")
      ->check(CLI::IsMember({"image", "batch", "none"}))
      ->capture_default_str();
  app.add_option("--limit-at", a.limit, "instead: the last colour is this value")
      ->check(not_negative());
  app.add_option("--channel-fold", a.channel_fold, "a pixel's value: sum | norm of its channels")
      ->check(CLI::IsMember({"sum", "norm"}))
      ->capture_default_str();
  app.add_flag("--panel", a.panel, "also NAME.panel.png: image, maps and colour bar side by side");
  app.add_flag("--raw", a.raw, "also NAME.relevance.npy");
}

int layer_index(const Graph& graph, const std::string& text, int fallback) {
  if (text.empty()) return fallback;
  return is_number(text) ? std::stoi(text) : graph.find_node(text);
}

Composite composite_of(const RuleArguments& a, const Graph& graph) {
  Composite composite = load_composite(a.rule, overrides_of(a, graph));
  report_unused(a, composite, graph);
  return composite;
}

std::vector<ChannelChoice> channels_of(const WalkArguments& a, const Graph& graph) {
  std::vector<ChannelChoice> choices;
  for (const std::string& text : a.channels) {
    const std::size_t colon = text.rfind(':');
    require(colon != std::string::npos, "wrong --channels: '", text, "', expected LAYER:C,C,...");
    ChannelChoice choice{.node = layer_index(graph, text.substr(0, colon), 0), .channels = {}};
    for (const std::string& channel : split(text.substr(colon + 1), ',')) {
      require(is_number(channel), "wrong --channels: '", text, "', expected LAYER:C,C,...");
      choice.channels.push_back(std::stoi(channel));
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<StartUnit> starts_of(const WalkArguments& a, const std::string& image,
                                 std::size_t index, int label, std::span<const float> scores) {
  const std::vector<std::string> list = split(a.target, ',');
  if (list.size() > 1 && index >= list.size())
    throw Error(str("wrong --target: ", list.size(), " targets, expected one per image"));
  std::vector<StartUnit> starts;
  std::string word;
  float weight = 1;
  for (const char c : list[list.size() == 1 ? 0 : index] + "+") {
    if (c != '+' && c != '-') {
      word += c;
      continue;
    }
    add_target(a, word, weight, image, label, scores, starts);
    word.clear();
    weight = c == '-' ? -1.0F : 1.0F;
  }
  return starts;
}

int target_of(const WalkArguments& a, const std::string& image, std::size_t index, int label,
              std::span<const float> scores) {
  const std::vector<StartUnit> starts = starts_of(a, image, index, label, scores);
  require(starts.size() == 1 && starts[0].weight == 1, "wrong --target: '", a.target,
          "', expected one class here");
  return starts[0].unit;
}

std::optional<float> start_value(const WalkArguments& a) {
  if (a.start == "score" || a.start.ends_with(".npy")) return std::nullopt;
  char* end = nullptr;
  const float value = std::strtof(a.start.c_str(), &end);
  require(end != a.start.c_str() && *end == 0 && std::isfinite(value), "wrong --start-relevance: '",
          a.start, "', expected score | X | X.npy");
  return value;
}

}  // namespace fovea::apps
