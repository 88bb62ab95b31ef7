// `fovea relevance`: heatmaps of images, arrays or a view.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

#include "apps/common.h"
#include "apps/progress.h"
#include "apps/relevance_arguments.h"
#include "apps/relevance_inputs.h"
#include "apps/relevance_many.h"
#include "apps/relevance_output.h"
#include "apps/relevance_toolbox.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/core/split_list.h"
#include "engine/relevance/places.h"
#include "engine/relevance/repeat.h"

namespace fovea::apps {
namespace {

struct Arguments {
  InputArguments input;
  RuleArguments rule;
  WalkArguments walk;
  OutputArguments output;
  ToolboxArguments toolbox;
  bool explain = false, verify = false;
};

// One number per unit of the start layer: an inner layer's units are its channels, summed over the
// positions.
Tensor<float> unit_scores(const Tensor<float>& scores) {
  const std::int64_t positions = scores.shape.h() * scores.shape.w();
  Tensor<float> units(Shape{scores.shape.n(), scores.shape.c()});
  for (std::size_t i = 0; i < units.values.size(); ++i) {
    double sum = 0;
    for (std::int64_t p = 0; p < positions; ++p)
      sum += static_cast<double>(
          scores.values[i * static_cast<std::size_t>(positions) + static_cast<std::size_t>(p)]);
    units.values[i] = static_cast<float>(sum);
  }
  return units;
}

// Photographs of one name in several folders would be files of one name in --out.
void check_names(const std::vector<std::string>& files) {
  std::map<std::string, std::string> seen;
  for (const std::string& file : files) {
    const auto [other, is_new] = seen.emplace(sample_name(file), file);
    require(is_new, "images of the same name: ", other->second, " and ", file,
            ", expected names that differ before the ending: the files in --out are named by them");
  }
}

// Every name of --layers is one of a layer that the walk goes through.
void check_layers(const std::string& names, const Graph& net, const Graph& walked, int first) {
  if (names == "all") return;
  for (const std::string& name : split_list(names)) {
    const bool found = net.find_node(name) >= first &&
                       std::ranges::find(walked.nodes, name, &Node::name) != walked.nodes.end();
    require(found, "wrong layer for --layers: ", name, ", expected one that the walk goes through");
  }
}

class Explanation {
 public:
  explicit Explanation(const Arguments& a) : a_(a), inputs_(a.input) {
    require(common().precision == "fp32", "no precision ", common().precision,
            " for relevance, expected fp32");
    Graph graph = inputs_.graph();
    const AnalyzerOptions options{.composite = composite_of(a.rule, graph),
                                  .device = resolve_device(),
                                  .last = layer_index(graph, a.walk.last, -1),
                                  .first = layer_index(graph, a.walk.first, 0),
                                  .keep_all = !a.output.layers.empty() || a.verify,
                                  .channels = channels_of(a.walk, graph)};
    // The engine takes a walk through one layer, as the whole of a net with one is; the LRP Toolbox
    // takes none.
    const int last = options.last < 0 ? last_inner_product(graph) : options.last;
    require(a.walk.first.empty() || options.first < last,
            "wrong value for --first: ", options.first, ", expected a layer below ", last,
            ", where the walk starts");
    check_targets(a.walk, inputs_.samples().size());
    repeats_ = options.composite.repeat.kind != RepeatKind::kOnce;
    if (repeats_) check_repeatable();
    if (a.input.memory > 0) {
      const std::int64_t batch = batch_within(inputs_, options, a.input.memory);
      talk(str("batch ", batch, " within ", a.input.memory, " MB"));
      graph = inputs_.graph(batch);
    }
    analyzer_ = make_analyzer(inputs_, graph, options);
    check_layers(a.output.layers, graph, analyzer_->executor().graph(), options.first);
    if (a.walk.start.ends_with(".npy")) initial_ = read_npy(a.walk.start);
  }

  void run() {
    if (a_.explain) {
      if (common().json) return print_json({{"explanation", analyzer_->explain()}});
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
    talk_execution(resolve_execution());
    if (common().json) {
      print_json({{"images", images}});
    } else if (!a_.verify) {
      for (const Json& image : images) print_table(image);
    }
    require(verified_, "a step is off by more than ", kStepTolerance,
            " of its largest value, expected float relevance that agrees with double");
  }

 private:
  void check_repeatable() const {
    const auto refuse = [&](bool given, const char* option) {
      require(!given, "no ", option, " for rule ", a_.rule.rule,
              ": its map is a mean over walks from the score to the pixels");
    };
    refuse(!a_.output.layers.empty(), "--layers");
    refuse(!a_.walk.first.empty(), "--first");
    refuse(a_.walk.start != "score", "--start-relevance");
    refuse(a_.verify, "--verify");
  }

  void run_batch(std::int64_t first, TensorView<float> input, Json& images) {
    const std::int64_t count = inputs_.fill(first, input);
    analyzer_->forward();
    const Tensor<float> scores = unit_scores(analyzer_->scores());
    const auto classes = static_cast<std::size_t>(scores.shape.c());
    std::vector<std::vector<StartUnit>> starts(static_cast<std::size_t>(input.shape.n()));
    for (std::int64_t n = 0; n < count; ++n) {
      const auto index = static_cast<std::size_t>(first + n);
      const Sample& sample = inputs_.samples()[index];
      starts[static_cast<std::size_t>(n)] = starts_of(
          a_.walk, sample.name, index, sample.label,
          std::span(scores.values).subspan(static_cast<std::size_t>(n) * classes, classes));
    }
    const Tensor<float> relevance = walk(first, count, input, starts);
    for (const std::string& line : analyzer_->warnings()) talk("warning: " + line);
    const Shape shape(
        std::span<const std::int64_t>(relevance.shape.begin() + 1, relevance.shape.end()));
    const auto map_of = [&](std::int64_t n) {
      return TensorView<const float>{relevance.values.data() + n * shape.count(), shape};
    };
    OutputArguments output = a_.output;
    if (output.normalize == "batch" && output.limit == 0) {
      for (std::int64_t n = 0; n < count; ++n)
        output.limit = std::max(output.limit, largest_value_of(a_.output, map_of(n)));
    }
    for (std::int64_t n = 0; n < count; ++n) {
      const Sample& sample = inputs_.samples()[static_cast<std::size_t>(first + n)];
      const TensorView<const float> map = map_of(n);
      // Before anything of the image is written: what is wrong leaves no files.
      const std::vector<StepError> errors =
          a_.verify ? analyzer_->verify(n) : std::vector<StepError>();
      const bool verified = std::ranges::none_of(errors, is_off);
      verified_ &= verified;
      if (a_.verify && !common().json) print_verification(sample.name, errors);
      if (verified) {
        write_maps(output, sample, map);
        if (!a_.output.layers.empty()) write_layers(a_.output, *analyzer_, sample.name, n);
      }
      images.push_back(describe(sample, starts[static_cast<std::size_t>(n)], scores, map, n));
      if (a_.verify) images.back()["verification"] = verification_json(errors);
    }
  }

  // The maps of a batch that has run forward.
  Tensor<float> walk(std::int64_t first, std::int64_t count, TensorView<float> input,
                     std::span<const std::vector<StartUnit>> starts) {
    if (repeats_) {
      Shape shape = input.shape;
      shape[0] = count;
      const Tensor<float> images(shape, std::vector<float>(input.data, input.data + shape.count()));
      return repeated_map(*analyzer_, images, starts, common().seed,
                          static_cast<std::uint64_t>(first));
    }
    if (initial_.shape.rank() > 0) {
      analyzer_->run_from(initial_of_batch(first, count).view());
    } else {
      analyzer_->run(starts, start_value(a_.walk));
    }
    return analyzer_->input_relevance();
  }

  // Of --start-relevance X.npy: one array for all images, or one per image.
  [[nodiscard]] Tensor<float> initial_of_batch(std::int64_t first, std::int64_t count) const {
    Tensor<float> start(analyzer_->scores().shape);
    const std::int64_t size = start.shape.count_from(1), given = initial_.shape.count();
    const bool same = given == size;
    require(same || given == size * std::ssize(inputs_.samples()), "wrong array in ", a_.walk.start,
            ": ", initial_.shape, ", expected ", start.shape, " for one image or for each");
    for (std::int64_t n = 0; n < count; ++n)
      std::copy_n(initial_.values.begin() + (same ? 0 : (first + n) * size), size,
                  start.values.begin() + n * size);
    return start;
  }

  [[nodiscard]] Json describe(const Sample& sample, std::span<const StartUnit> starts,
                              const Tensor<float>& scores, TensorView<const float> map,
                              std::int64_t n) const {
    double score = 0, sum = 0;
    for (const StartUnit& start : starts)
      score +=
          static_cast<double>(start.weight) * static_cast<double>(scores.view()(n, start.unit));
    for (const float value : map.span()) sum += static_cast<double>(value);
    Json image = image_json(*analyzer_, sample.name, starts, score, sum,
                            repeats_ ? 0 : static_cast<std::size_t>(n));
    if (repeats_) image["layers"] = Json::array();  // no single walk stands for the mean
    return image;
  }

  const Arguments& a_;
  RelevanceInputs inputs_;
  std::unique_ptr<Analyzer> analyzer_;
  Tensor<float> initial_{Shape{}};
  bool repeats_ = false, verified_ = true;
};

// A config file of the LRP Toolbox says itself what most options say.
void report_unused(const Arguments& a, const CLI::App& app) {
  if (a.toolbox.config.empty()) {
    if (a.toolbox.transposed_mean)
      talk("--toolbox-transposed-mean is not used without --lrp-toolbox-config");
    return;
  }
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const bool used = option->get_positional() || name == "--lrp-toolbox-config" ||
                      name == "--toolbox-transposed-mean" || name == "--toolbox-group-bias";
    if (option->count() > 0 && !used) talk(name + " is not used with --lrp-toolbox-config");
  }
}

void run(const Arguments& a) {
  if (!a.toolbox.config.empty())
    return run_toolbox_config(a.toolbox, a.input.images, a.rule.toolbox_group_bias);
  if (!a.explain) {
    if (a.output.out.empty()) throw CLI::RequiredError("--out");
    check_names(a.input.images);
  }
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
  add_toolbox_options(*c, a->toolbox);
  c->add_flag("--explain", a->explain, "print layer: rule: terms, implementation; and stop");
  c->add_flag("--verify", a->verify, "every step beside the formula in double (slow)");
  c->footer(
      "Example: fovea relevance --model runs/demo/fold0/iter_500.safetensors face.jpg --out "
      "maps");
  add_relevance_average_command(*c);
  add_relevance_evaluate_command(*c);
  add_relevance_gallery_command(*c);
  c->callback([a, c] {
    if (!c->get_subcommands().empty()) return;
    report_unused(*a, *c);
    if (a->toolbox.config.empty()) settle_input(a->input);
    run(*a);
  });
}

}  // namespace fovea::apps
