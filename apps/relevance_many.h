// What the subcommands of `fovea relevance` that look at many images share: all inputs in one
// tensor, their classes, and an analyzer per rule.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/relevance_arguments.h"
#include "apps/relevance_inputs.h"
#include "engine/core/split_list.h"

namespace fovea::apps {

// An analyzer from the score down to the input by the rule `name`; the other rule options hold.
[[nodiscard]] std::unique_ptr<Analyzer> analyzer_of(const RelevanceInputs& inputs,
                                                    RuleArguments rules, const std::string& name);

// All samples, (M, C, H, W).
[[nodiscard]] Tensor<float> images_of(const RelevanceInputs& inputs);

// Index of the highest of the scores (M, classes) of each image.
[[nodiscard]] std::vector<int> predictions_of(const Tensor<float>& scores);
// The class asked for, from --target, of the images first, first + 1, ... whose scores these are.
[[nodiscard]] std::vector<int> targets_of(const WalkArguments& a, const RelevanceInputs& inputs,
                                          const Tensor<float>& scores, std::int64_t first = 0);
// Softmax of a row of scores.
[[nodiscard]] std::vector<double> probabilities_of(const Tensor<float>& scores, std::size_t image);

// `fovea relevance average`.
void add_relevance_average_command(CLI::App& relevance);

// `fovea relevance gallery`.
void add_relevance_gallery_command(CLI::App& relevance);

}  // namespace fovea::apps
