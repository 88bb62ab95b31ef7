// What there is to explain: a model and the images that go through it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/relevance_arguments.h"
#include "apps/resolve.h"
#include "data/image.h"
#include "engine/relevance/analyzer.h"

namespace fovea::apps {

// One thing to explain: what the net sees, and the picture to lay the heatmap over.
struct Sample {
  std::string name;
  std::vector<float> input;  // (C, H, W)
  Image picture;             // the net's window of the photograph; empty for --input
  int label = -1;            // -1: unknown
  std::int64_t record = -1;  // of the store; -1: not from one
};

// Of a photograph: the file's name without its ending.
[[nodiscard]] std::string sample_name(const std::string& file);

class RelevanceInputs {
 public:
  // Reads the model and all images. Error when there is nothing to explain.
  explicit RelevanceInputs(const InputArguments& a);

  [[nodiscard]] const Model& model() const { return *model_; }
  [[nodiscard]] const std::vector<Sample>& samples() const { return samples_; }
  // MB for the automatic batch, 0 = --batch.
  [[nodiscard]] std::int64_t memory() const { return arguments_.memory; }
  // The deploy net for min(--batch, number of images) images at once, or for `batch`.
  [[nodiscard]] Graph graph(std::int64_t batch = 0) const;
  // What the net sees of the mean image, (C, H, W); empty when there is none: the bounds of z^B.
  [[nodiscard]] Tensor<float> seen_mean() const;
  // Copies samples first, first + 1, ... into the net's input, zeros behind the last; returns how
  // many there were.
  std::int64_t fill(std::int64_t first, TensorView<float> input) const;

 private:
  InputArguments arguments_;
  std::shared_ptr<Model> model_;
  Shape image_;  // (C, H, W) that the net sees
  Shape array_shape_;
  std::vector<Sample> samples_;
};

// An analyzer with the model's weights in it; takes bounds of the input from the model.
[[nodiscard]] std::unique_ptr<Analyzer> make_analyzer(const RelevanceInputs& inputs,
                                                      const Graph& graph, AnalyzerOptions options);

// The largest batch up to the number of images with which an analyzer takes at most `megabytes`,
// from its sizes for one and for two images. Error when one image takes more.
[[nodiscard]] std::int64_t batch_within(const RelevanceInputs& inputs,
                                        const AnalyzerOptions& options, std::int64_t megabytes);

}  // namespace fovea::apps
