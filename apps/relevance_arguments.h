// What `fovea relevance` and its subcommands read from the command line, in groups that each can
// take: what to explain, by which rules, from where to where, and what to write.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/resolve.h"
#include "engine/relevance/analyzer.h"

namespace fovea::apps {

struct InputArguments {
  std::vector<std::string> images;
  std::string net, weights, model, mean, input, store, view;
  int batch = 8, limit = 0;
  std::int64_t memory = 0;         // MB for the automatic batch; 0 = --batch
  std::shared_ptr<Model> settled;  // what settle_input had to read: not read again
};

struct RuleArguments {
  std::string rule = "study", bias = "absorb", flat_until;
  std::optional<float> epsilon, beta, gamma, noise;
  std::optional<int> steps;
  std::optional<std::string> lrn, max_pooling, aux_softmax;
  bool toolbox_group_bias = false;
};

struct WalkArguments {
  std::string target = "predicted", start = "score", first, last;
  std::vector<std::string> channels;
};

struct OutputArguments {
  std::string out, layers, colormap = "seismic";
  std::string range, channel_fold = "sum";  // range "": as suits the colour map
  std::string normalize = "image";
  float limit = 0;  // the value coloured as 1; 0 = the largest, as `normalize` says
  bool raw = false, panel = false;
};

void add_input_options(CLI::App& app, InputArguments& a);
// Makes --model what it stands for (settle_model). A wrong command line: neither it nor --weights;
// not exactly one of IMAGE..., --input and --data; one of --data and --view without the other.
void settle_input(InputArguments& a);
void add_rule_options(CLI::App& app, RuleArguments& a);
void add_walk_options(CLI::App& app, WalkArguments& a);
void add_output_options(CLI::App& app, OutputArguments& a);

// Index of a node of `graph` from its name or number; `fallback` for "".
[[nodiscard]] int layer_index(const Graph& graph, const std::string& text, int fallback);

// The composite that the options ask for, on the net `graph`; says on stderr which of the options
// it does not listen to.
[[nodiscard]] Composite composite_of(const RuleArguments& a, const Graph& graph);

// "LAYER:C,C,..." of --channels.
[[nodiscard]] std::vector<ChannelChoice> channels_of(const WalkArguments& a, const Graph& graph);

// What --target says about one image: scores of the start layer's units, label (-1 = unknown),
// index of the image. A target is a sum of "predicted", "label", "topN" (the N highest together)
// and classes, with '+' and '-' between, as in "predicted-label"; a comma list has one per image.
[[nodiscard]] std::vector<StartUnit> starts_of(const WalkArguments& a, const std::string& image,
                                               std::size_t index, int label,
                                               std::span<const float> scores);
// Error where --target is a list that has not one entry for each of `images` images.
void check_targets(const WalkArguments& a, std::size_t images);
// The same as starts_of where it can only be one class.
[[nodiscard]] int target_of(const WalkArguments& a, const std::string& image, std::size_t index,
                            int label, std::span<const float> scores);

// The value that --start-relevance puts in the score's place; nothing for "score".
[[nodiscard]] std::optional<float> start_value(const WalkArguments& a);

}  // namespace fovea::apps
