// `fovea relevance gallery`: one HTML page of explained images, by any rules, with filters.
#include "apps/common.h"
#include "apps/progress.h"
#include "apps/relevance_many.h"
#include "data/gallery_page.h"
#include "data/picture.h"
#include "engine/core/file.h"
#include "engine/relevance/lab/explainer.h"

namespace fovea::apps {
namespace {

struct Arguments {
  InputArguments input;
  RuleArguments rule;
  WalkArguments walk;
  std::string rules = "study", out, colormap{kDefaultColormap}, title = "What the net looked at";
};

std::vector<GalleryImage> cards_of(const RelevanceInputs& inputs, const Tensor<float>& scores,
                                   const std::vector<int>& targets) {
  const std::vector<int> predictions = predictions_of(scores);
  std::vector<GalleryImage> cards;
  for (std::size_t n = 0; n < targets.size(); ++n) {
    const Sample& sample = inputs.samples()[n];
    const auto predicted = static_cast<std::size_t>(predictions[n]);
    cards.push_back({.name = sample.name,
                     .truth = sample.label < 0 ? "" : class_name(inputs.model(), sample.label),
                     .predicted = class_name(inputs.model(), predictions[n]),
                     .target = class_name(inputs.model(), targets[n]),
                     .probability = probabilities_of(scores, n)[predicted],
                     .image = sample.picture,
                     .heatmaps = {}});
  }
  return cards;
}

void run(const Arguments& a) {
  const std::vector<std::string> rules = split_list(a.rules);
  require(!rules.empty(), "no rules, expected --rules NAME,NAME,...");
  const Colormap& map = find_colormap(a.colormap);
  const RelevanceInputs inputs(a.input);
  const Tensor<float> images = images_of(inputs);
  GalleryPage page{.title = a.title,
                   .lead = "Images, what the net made of them, and the pixels that spoke for it.",
                   .facts = {{"Weights", a.input.weights},
                             {"View", a.input.view.empty() ? "files" : a.input.view},
                             {"Class explained", a.walk.target}},
                   .rules = rules,
                   .colormap = a.colormap,
                   .images = {},
                   .footer = str("Fovea ", FOVEA_VERSION)};
  Tensor<float> scores;
  std::vector<int> targets;
  Progress progress("explaining");
  for (std::size_t r = 0; r < rules.size(); ++r) {
    progress.update(static_cast<std::int64_t>(r), std::ssize(rules), rules[r]);
    const auto analyzer = analyzer_of(inputs, a.rule, rules[r]);
    if (r == 0) {
      scores = lab::scores_of(*analyzer)(images.view());
      targets = targets_of(a.walk, inputs, scores);
      page.images = cards_of(inputs, scores, targets);
    }
    const Tensor<float> maps =
        lab::maps_of(*analyzer, ChannelFold::kSum, common().seed)(images.view(), targets);
    const Shape one{maps.shape[1], maps.shape[2]};
    for (std::size_t n = 0; n < targets.size(); ++n) {
      const float* at = maps.values.data() + static_cast<std::int64_t>(n) * one.count();
      page.images[n].heatmaps.push_back(heatmap({at, one}, map));
    }
  }
  write_file(a.out, gallery_html(page), common().force);
  talk("wrote " + a.out);
  print_written({a.out});
}

}  // namespace

void add_relevance_gallery_command(CLI::App& relevance) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c =
      relevance.add_subcommand("gallery", "one HTML page of explained images, with filters");
  add_input_options(*c, a->input);
  c->add_option("--rules", a->rules, "rules or FILE.json, a heatmap each")->capture_default_str();
  add_rule_options(*c, a->rule);
  c->remove_option(c->get_option("--rule"));
  c->add_option("--target", a->walk.target, "predicted | label | N")->capture_default_str();
  c->add_option("--colormap", a->colormap, "colour map of the heatmaps")->capture_default_str();
  c->add_option("--title", a->title, "title of the page");
  c->add_option("--out", a->out, "page to write (.html)")->required();
  c->footer(
      "Example: fovea relevance gallery --weights W --data faces.fovea \\\n"
      "           --view age/aligned/fold0/test --limit 200 --rules study,EpsilonPlus --out "
      "g.html");
  c->callback([a] {
    settle_input(a->input);
    run(*a);
  });
}

}  // namespace fovea::apps
