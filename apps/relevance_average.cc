// `fovea relevance average`: mean maps over a view, its classes and several models, and what one
// set of models looks at more than another.
#include <filesystem>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/relevance_many.h"
#include "apps/relevance_output.h"
#include "engine/core/json_fields.h"
#include "engine/relevance/lab/explainer.h"
#include "engine/relevance/running_mean.h"

namespace fovea::apps {
namespace {

struct Arguments {
  InputArguments input;
  RuleArguments rule;
  WalkArguments walk;
  OutputArguments output;
  std::string by = "all", minus;
  bool equal = false;
};

struct Group {
  RunningMean map, picture;
};
using Groups = std::map<std::string, Group>;  // "all", or a class

Tensor<float> as_tensor(const Image& image) {
  Tensor<float> pixels(Shape{image.height, image.width, image.channels});
  std::ranges::copy(image.pixels, pixels.values.begin());
  return pixels;
}

Image as_image(const Tensor<float>& pixels) {
  Image image{.height = static_cast<int>(pixels.shape[0]),
              .width = static_cast<int>(pixels.shape[1]),
              .channels = static_cast<int>(pixels.shape[2]),
              .pixels = {}};
  for (const float value : pixels.values) {
    image.pixels.push_back(static_cast<std::uint8_t>(value + 0.5F));
  }
  return image;
}

// The walk of one model over its images, into the groups.
class Averaging {
 public:
  Averaging(const Arguments& a, const InputArguments& input, Groups& groups)
      : a_(a),
        inputs_(input),
        analyzer_(analyzer_of(inputs_, a.rule, a.rule.rule)),
        groups_(groups),
        score_(lab::scores_of(*analyzer_)) {
    ChannelFold channels{};
    read_json(Json(a.output.channel_fold), channels, "--channel-fold");
    explain_ = lab::maps_of(*analyzer_, channels, common().seed);
    require(a.by != "label" || inputs_.samples()[0].label >= 0,
            "no labels for --by label, expected --data and a view with labels");
  }

  void run() {
    const Shape shape = analyzer_->executor().graph().tensors[0].shape;
    const std::int64_t total = std::ssize(inputs_.samples());
    Progress progress("explaining");
    for (std::int64_t first = 0; first < total; first += shape[0]) {
      Shape part = shape;
      part[0] = std::min(shape[0], total - first);
      Tensor<float> images(part);
      (void)inputs_.fill(first, images.view());
      add_batch(first, images);
      progress.update(first + part[0], total);
    }
  }

 private:
  void add_batch(std::int64_t first, const Tensor<float>& images) {
    const Tensor<float> scores = score_(images.view());
    const std::vector<int> targets = targets_of(a_.walk, inputs_, scores, first);
    const std::vector<int> predictions = predictions_of(scores);
    const Tensor<float> maps = explain_(images.view(), targets);
    const Shape one{maps.shape[1], maps.shape[2]};
    for (std::size_t n = 0; n < targets.size(); ++n) {
      const Sample& sample = inputs_.samples()[static_cast<std::size_t>(first) + n];
      const int group = a_.by == "label"       ? sample.label
                        : a_.by == "predicted" ? predictions[n]
                                               : targets[n];
      const TensorView<const float> map{
          maps.values.data() + static_cast<std::int64_t>(n) * one.count(), one};
      Group& to = groups_[a_.by == "all" ? "all" : class_name(inputs_.model(), group)];
      to.map.add(map, sample.name, a_.equal ? unit_mass_factor(map) : 1);
      if (!sample.picture.pixels.empty()) {
        to.picture.add(as_tensor(sample.picture).view(), sample.name);
      }
    }
  }

  const Arguments& a_;
  RelevanceInputs inputs_;
  std::unique_ptr<Analyzer> analyzer_;
  Groups& groups_;
  lab::ScoreFunction score_;
  lab::ExplainFunction explain_;
};

Groups averages_of(const Arguments& a, const std::vector<std::string>& models) {
  const std::vector<std::string> views = split_list(a.input.view);
  require(views.size() <= 1 || views.size() == models.size(), "wrong --view: ", views.size(),
          " views for ", models.size(), " models, expected one, or one for each");
  Groups groups;
  for (std::size_t m = 0; m < models.size(); ++m) {
    InputArguments input = a.input;
    (a.input.weights.empty() ? input.model : input.weights) = models[m];
    settle_input(input);
    if (!views.empty()) input.view = views[views.size() == 1 ? 0 : m];
    Averaging(a, input, groups).run();
  }
  return groups;
}

// Names of classes as names of files: "(0, 2)" -> "0-2".
std::string file_name(const std::string& group) {
  std::string name;
  for (const char c : group) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "class" : name;
}

// The mean of the same group by the models of --minus from `mean`.
void subtract(const Groups& others, const std::string& name, Tensor<float>& mean) {
  const auto other = others.find(name);
  require(other != others.end(), "no image of group '", name,
          "' for the models of --minus, expected at least one");
  const Tensor<float> less = other->second.map.mean();
  require(less.shape == mean.shape, "maps of --minus: ", less.shape, ", expected ", mean.shape);
  for (std::size_t i = 0; i < mean.values.size(); ++i) mean.values[i] -= less.values[i];
}

void run(const Arguments& a) {
  const std::vector<std::string> others = split_list(a.minus);
  const std::vector<std::string> models =
      split_list(a.input.weights.empty() ? a.input.model : a.input.weights);
  if (models.empty()) throw CLI::RequiredError("--model or --weights");
  const Groups groups = averages_of(a, models);
  Groups subtracted;
  if (!others.empty()) subtracted = averages_of(a, others);
  std::map<std::string, Tensor<float>> means;
  OutputArguments output = a.output;
  for (const auto& [name, group] : groups) {
    Tensor<float>& mean = means[name] = group.map.mean();
    if (!others.empty()) subtract(subtracted, name, mean);
    // The means are the batch here.
    if (a.output.normalize == "batch" && a.output.limit == 0)
      output.limit = std::max(output.limit, largest_value_of(a.output, mean.view()));
  }
  std::filesystem::create_directories(a.output.out);
  Json result = Json::array();
  for (const auto& [name, group] : groups) {
    const Tensor<float>& mean = means[name];
    Sample sample{.name = file_name(name)};
    if (group.picture.count() > 0) sample.picture = as_image(group.picture.mean());
    write_maps(output, sample, mean.view());
    double sum = 0;
    for (const float value : mean.values) sum += double{value};
    result.push_back({{"name", name}, {"maps", group.map.count()}, {"relevance_sum", sum}});
  }
  if (common().json) return print_json({{"groups", result}});
  for (const Json& group : result) {
    std::cout << group["name"].get<std::string>() << ": " << group["maps"] << " maps, relevance "
              << group["relevance_sum"].get<double>() << '\n';
  }
}

}  // namespace

void add_relevance_average_command(CLI::App& relevance) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = relevance.add_subcommand(
      "average", "mean maps over a view, its classes or several models, and their differences");
  add_input_options(*c, a->input);
  c->get_option("--weights")->description("trained weights, or W,W,...: one model per fold, say");
  c->get_option("--model")->description("complete models, M or M,M,..., in the place of --weights");
  c->get_option("--view")->description("view of the store, or V,V,...: one for each model");
  add_rule_options(*c, a->rule);
  c->add_option("--target", a->walk.target, "predicted | label | N")->capture_default_str();
  c->add_option("--by", a->by, "one mean of all | for each label | predicted | target")
      ->check(CLI::IsMember({"all", "label", "predicted", "target"}))
      ->capture_default_str();
  c->add_option("--minus", a->minus, "W,W,...: subtract the mean of these models");
  c->add_flag("--equal", a->equal, "every map counts the same: its magnitudes add up to 1");
  add_output_options(*c, a->output);
  c->remove_option(c->get_option("--layers"));
  c->get_option("--out")->required();
  c->footer(
      "Example: fovea relevance average --weights f0.safetensors,f1.safetensors --data "
      "faces.fovea \\\n           --view gender/aligned/fold0/test,gender/aligned/fold1/test --by "
      "label --out means");
  c->callback([a] { run(*a); });
}

}  // namespace fovea::apps
