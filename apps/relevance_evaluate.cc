// `fovea relevance evaluate`: are the maps of these rules faithful? One table.
#include "apps/relevance_evaluate.h"

#include <algorithm>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/relevance_many.h"
#include "data/label_masks.h"
#include "data/store.h"
#include "engine/core/json_fields.h"
#include "engine/relevance/lab/map_measures.h"

namespace fovea::apps {
namespace {

using lab::EvaluationData;
using lab::EvaluationOptions;

struct Arguments {
  InputArguments input{.batch = 32};
  RuleArguments rule;
  WalkArguments walk;
  std::string rules = "study,epsilon,z-plus", masks, out, only = "all", baseline = "mean",
              channels = "sum", measures = "all";
  EvaluationOptions options{.perturbation = {.region = 4, .steps = 16}};
};

constexpr std::array<std::string_view, 4> kMeasures{"localization", "perturbation", "class",
                                                    "parameters"};

bool measures(const Arguments& a, std::string_view what) {
  return a.measures == "all" || std::ranges::count(split_list(a.measures), what) > 0;
}

void check(const Arguments& a) {
  require(!split_list(a.rules).empty(), "no rules, expected --rules NAME,NAME,...");
  for (const std::string& name : split_list(a.measures)) {
    require(name == "all" || std::ranges::count(kMeasures, name) > 0, "unknown measure: '", name,
            "', expected all | localization | perturbation | class | parameters",
            did_you_mean(name, {kMeasures.begin(), kMeasures.end()}));
    require(name != "localization" || !a.masks.empty(),
            "no --masks for --measures localization, expected the folder of `fovea data synth`");
  }
}

template <class E>
E parse_enum(const std::string& text, const char* option) {
  E value{};
  read_json(Json(text), value, option);
  return value;
}

class Study {
 public:
  explicit Study(const Arguments& a)
      : a_(a), inputs_(a.input), analyzer_(analyzer_of(inputs_, a.rule, split_list(a.rules)[0])) {
    const Tensor<float> images = images_of(inputs_);
    const Tensor<float> scores = lab::scores_of(*analyzer_)(images.view());
    const std::vector<int> targets = targets_of(a.walk, inputs_, scores);
    choose(predictions_of(scores));
    data_.classes = static_cast<int>(scores.shape.c());
    Shape shape = images.shape;
    shape[0] = std::ssize(chosen_);
    data_.images = Tensor<float>(shape);
    const auto size = static_cast<std::ptrdiff_t>(shape.count_from(1));
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const auto from = images.values.begin() + static_cast<std::ptrdiff_t>(chosen_[i]) * size;
      std::copy_n(from, size, data_.images.values.begin() + static_cast<std::ptrdiff_t>(i) * size);
      data_.targets.push_back(targets[chosen_[i]]);
    }
    if (!a.masks.empty() && measures(a, "localization")) read_masks();
    if (measures(a, "perturbation")) {
      data_.baselines =
          lab::baselines(data_.images.view(), parse_enum<lab::Baseline>(a.baseline, "--baseline"),
                         {.mean = units_mean(), .scale = inputs_.model().scale}, common().seed);
    }
  }

  EvaluationReport run() {
    EvaluationOptions options = a_.options;
    options.seed = options.perturbation.seed = common().seed;
    options.random_logit = measures(a_, "class") && data_.classes > 1;
    options.randomization = measures(a_, "parameters");
    std::vector<std::string> names = split_list(a_.rules);
    if (std::ranges::count(names, "random") == 0) names.emplace_back("random");
    EvaluationReport report{.title = title(), .facts = facts(), .rules = {}};
    if (!data_.masks.empty()) report.mask_share = lab::mask_share(data_.masks);
    Progress progress("evaluating");
    for (const std::string& name : names) {
      progress.update(std::ssize(report.rules), std::ssize(names), name);
      report.rules.push_back(evaluate_rule(name, options));
    }
    return report;
  }

  [[nodiscard]] std::vector<std::string> image_names() const {
    std::vector<std::string> names;
    for (const std::size_t i : chosen_) names.push_back(inputs_.samples()[i].name);
    return names;
  }

 private:
  void choose(const std::vector<int>& predictions) {
    for (std::size_t n = 0; n < predictions.size(); ++n) {
      const int label = inputs_.samples()[n].label;
      require(a_.only == "all" || label >= 0, "no label for image ", inputs_.samples()[n].name,
              ", expected --data and a view with labels for --only ", a_.only);
      if (a_.only == "all" || (label == predictions[n]) == (a_.only == "correct"))
        chosen_.push_back(n);
    }
    require(!chosen_.empty(), "nothing to evaluate: no image is ", a_.only,
            ", expected another --only");
  }

  void read_masks() {
    require(!a_.input.store.empty(), "masks without a store, expected --data and --view");
    const LabelMasks masks(a_.masks);
    const Store store(a_.input.store);
    const View& view = store.view(a_.input.view);
    require(view.target >= 0, "no target of view ", a_.input.view,
            ", expected a view about age or gender for --masks");
    Target target{};
    read_json(Json(store.columns()[static_cast<std::size_t>(view.target)].name), target,
              "the view's target");
    const int crop = static_cast<int>(data_.images.shape.h());
    for (const std::size_t i : chosen_) {
      const RecordInfo info = store.record(static_cast<std::uint32_t>(inputs_.samples()[i].record));
      const Window window = centre_window(Shape{3, info.height, info.width}, crop);
      const auto mask = masks.read(info.source, target, info.height, info.width, window, crop);
      data_.masks.insert(data_.masks.end(), mask.begin(), mask.end());
    }
  }

  // The mean as the net sees it; 0 where the model has none.
  [[nodiscard]] Tensor<float> units_mean() const {
    const Tensor<float> seen = inputs_.seen_mean();
    return seen.shape.rank() == 3 ? seen : Tensor<float>(Shape{});
  }

  lab::Evaluation evaluate_rule(const std::string& name, EvaluationOptions options) {
    if (name == "random")
      return lab::evaluate(name, *analyzer_, lab::random_maps(common().seed), data_, options);
    if (name == "edges") return lab::evaluate(name, *analyzer_, lab::edge_maps(), data_, options);
    const auto analyzer = analyzer_of(inputs_, a_.rule, name);
    const auto channels = parse_enum<ChannelFold>(a_.channels, "--channels");
    return lab::evaluate(name, *analyzer, lab::maps_of(*analyzer, channels, common().seed), data_,
                         options);
  }

  [[nodiscard]] std::string title() const {
    return str(a_.input.view.empty() ? "images" : a_.input.view, ", ", chosen_.size(), " images (",
               a_.only, "), class ", a_.walk.target, ", seed ", common().seed);
  }
  [[nodiscard]] Json facts() const {
    const auto& p = a_.options.perturbation;
    return {{"weights", a_.input.weights},
            {"view", a_.input.view},
            {"images", chosen_.size()},
            {"only", a_.only},
            {"target", a_.walk.target},
            {"seed", common().seed},
            {"channels", a_.channels},
            {"baseline", a_.baseline},
            {"region", p.region},
            {"steps", p.steps},
            {"share", shortest_double(p.share)},
            {"tolerance", a_.options.tolerance}};
  }

  const Arguments& a_;
  RelevanceInputs inputs_;
  std::unique_ptr<Analyzer> analyzer_;  // of the first rule: scores, and the controls' net
  std::vector<std::size_t> chosen_;     // indices of samples
  EvaluationData data_;
};

void run(const Arguments& a) {
  check(a);
  Study study(a);
  const EvaluationReport report = study.run();
  if (!a.out.empty()) write_files(report, study.image_names(), a.out);
  if (common().json) return print_json(to_json(report));
  print_table(report);
}

}  // namespace

void add_relevance_evaluate_command(CLI::App& relevance) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = relevance.add_subcommand(
      "evaluate", "compare rules: localisation, region perturbation, randomisation");
  add_input_options(*c, a->input);
  c->add_option("--rules", a->rules, "rules, FILE.json, random, edges; random is always added")
      ->capture_default_str();
  add_rule_options(*c, a->rule);
  c->remove_option(c->get_option("--rule"));
  c->add_option("--target", a->walk.target, "predicted | label | N")->capture_default_str();
  c->add_option("--only", a->only, "images: all | correct | wrong")
      ->check(CLI::IsMember({"all", "correct", "wrong"}))
      ->capture_default_str();
  c->add_option("--measures", a->measures,
                "all, or a list of localization, perturbation, class, parameters")
      ->capture_default_str();
  c->add_option("--masks", a->masks, "folder of `fovea data synth` or its masks/");
  c->add_option("--tolerance", a->options.tolerance, "of the pointing game, pixels")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  auto& p = a->options.perturbation;
  c->add_option("--baseline", a->baseline, "black | mean | image-mean | noise | blur")
      ->capture_default_str();
  c->add_option("--region", p.region, "side of a tile, 1 = pixel flipping")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  c->add_option("--curve-steps", p.steps, "steps of a perturbation curve")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  c->add_option("--share", p.share, "of the tiles replaced at the end")->capture_default_str();
  c->add_option("--channels", a->channels, "sum | norm")->capture_default_str();
  c->add_option("--out", a->out, "folder for evaluation.json, CSV, SVG and PNG files");
  c->footer(
      "Example: fovea relevance evaluate --weights W --data faces.fovea \\\n"
      "           --view gender/aligned/fold0/test --masks faces --rules study,epsilon,z-plus");
  c->callback([a] {
    settle_input(a->input);
    run(*a);
  });
}

}  // namespace fovea::apps
