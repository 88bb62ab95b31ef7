// `fovea relevance`: heatmaps of images, arrays or a view.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/relevance_arguments.h"
#include "apps/relevance_inputs.h"
#include "apps/relevance_output.h"

namespace fovea::apps {
namespace {

struct Arguments {
  InputArguments input;
  RuleArguments rule;
  WalkArguments walk;
  OutputArguments output;
  bool explain = false;
};

class Explanation {
 public:
  explicit Explanation(const Arguments& a) : a_(a), inputs_(a.input) {
    const Graph graph = inputs_.graph();
    require(common().precision == "fp32", "no precision ", common().precision,
            " for relevance, expected fp32");
    analyzer_ = make_analyzer(inputs_, graph,
                              {.composite = composite_of(a.rule, graph),
                               .device = resolve_device(),
                               .last = layer_index(graph, a.walk.last, -1),
                               .first = layer_index(graph, a.walk.first, 0),
                               .mean = inputs_.seen_mean(),
                               .keep_all = !a.output.layers.empty()});
  }

  void run() {
    if (a_.explain) {
      for (const std::string& line : analyzer_->explain()) std::cout << line << '\n';
      return;
    }
    std::filesystem::create_directories(a_.output.out);
    Json images = Json::array();
    const TensorView<float> input =
        analyzer_->executor().input(analyzer_->executor().graph().tensors[0].blob);
    const std::int64_t total = std::ssize(inputs_.samples());
    Progress progress("relevance");
    for (std::int64_t first = 0; first < total; first += input.shape.n()) {
      run_batch(first, input, images);
      progress.update(std::min(first + input.shape.n(), total), total);
    }
    if (common().json) return print_json({{"images", images}});
    for (const Json& image : images) print_table(image);
  }

 private:
  void run_batch(std::int64_t first, TensorView<float> input, Json& images) {
    const std::int64_t count = inputs_.fill(first, input);
    analyzer_->forward();
    const Tensor<float> scores = analyzer_->scores();
    const std::int64_t classes = scores.shape.c();
    std::vector<int> targets(static_cast<std::size_t>(input.shape.n()), -1);
    for (std::int64_t n = 0; n < count; ++n) {
      const auto index = static_cast<std::size_t>(first + n);
      const Sample& sample = inputs_.samples()[index];
      targets[static_cast<std::size_t>(n)] = target_of(
          a_.walk, sample.name, index, sample.label,
          std::span(scores.values)
              .subspan(static_cast<std::size_t>(n * classes), static_cast<std::size_t>(classes)));
    }
    std::vector<float> start;
    if (a_.walk.start != "score") start.assign(targets.size(), std::stof(a_.walk.start));
    analyzer_->run(targets, start);
    const Tensor<float> relevance = analyzer_->input_relevance();
    for (std::int64_t n = 0; n < count; ++n) {
      const Sample& sample = inputs_.samples()[static_cast<std::size_t>(first + n)];
      const int target = targets[static_cast<std::size_t>(n)];
      const Shape shape(
          std::span<const std::int64_t>(relevance.shape.begin() + 1, relevance.shape.end()));
      write_maps(a_.output, sample, {relevance.values.data() + n * shape.count(), shape});
      if (!a_.output.layers.empty()) write_layers(a_.output, *analyzer_, sample.name, n);
      images.push_back(image_json(
          *analyzer_, sample.name, target,
          static_cast<double>(scores.values[static_cast<std::size_t>(n * classes + target)]),
          static_cast<std::size_t>(n)));
    }
  }

  const Arguments& a_;
  RelevanceInputs inputs_;
  std::unique_ptr<Analyzer> analyzer_;
};

void run(const Arguments& a) {
  if (a.input.weights.empty()) throw CLI::RequiredError("--weights");
  require(a.explain || !a.output.out.empty(), "no --out, expected a folder for the heatmaps");
  Explanation(a).run();
}

}  // namespace

void add_relevance_command(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c =
      app.add_subcommand("relevance", "relevance maps (LRP): which pixels spoke for a class");
  add_input_options(*c, a->input);
  add_rule_options(*c, a->rule);
  add_walk_options(*c, a->walk);
  add_output_options(*c, a->output);
  c->add_flag("--explain", a->explain, "print layer -> rule -> implementation and stop");
  c->footer(
      "Example: fovea relevance --weights runs/demo/fold0/iter_500.safetensors face.jpg --out "
      "maps");
  c->callback([a, c] {
    if (c->get_subcommands().empty()) run(*a);
  });
}

}  // namespace fovea::apps
