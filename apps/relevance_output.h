// What `fovea relevance` leaves behind: pictures, arrays, and the table of sums per layer.
#pragma once

#include <string>

#include "apps/relevance_arguments.h"
#include "apps/relevance_inputs.h"
#include "engine/core/json.h"

namespace fovea::apps {

// OUT/<name>.heatmap.png, .overlay.png where there is a picture, .panel.png with --panel,
// .relevance.npy with --raw.
// `relevance` is (C, H, W).
void write_maps(const OutputArguments& a, const Sample& sample, TensorView<const float> relevance);

// What write_maps would colour as the largest value of this map, without --limit-at.
[[nodiscard]] float largest_value_of(const OutputArguments& a, TensorView<const float> relevance);

// OUT/<name>.<index>.<layer>.relevance.npy of the layers that --layers names, for the image at
// place `n` of the batch.
void write_layers(const OutputArguments& a, const Analyzer& analyzer, const std::string& name,
                  std::int64_t n);

// One entry of "images" (cli contract). `starts`: what the walk started from; its first unit is
// "target", all of them are "targets" where they are several.
[[nodiscard]] Json image_json(const Analyzer& analyzer, const std::string& name,
                              std::span<const StartUnit> starts, double score, double relevance_sum,
                              std::size_t n);
void print_table(const Json& image);

// Whether --verify found a step off by more than its tolerance.
[[nodiscard]] bool is_off(const StepError& error);
// The table of --verify.
[[nodiscard]] Json verification_json(std::span<const StepError> errors);
void print_verification(const std::string& name, std::span<const StepError> errors);

}  // namespace fovea::apps
