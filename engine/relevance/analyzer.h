// Layer-wise relevance propagation through a net (Bach et al. 2015), batched, by a composite of
// rules.
//
// The net runs forward once (an Executor that keeps every blob), then the layers from `last` down
// to `first` are walked in reverse. The walk starts with the score (the raw output of `last` before
// softmax) at each image's target and zero elsewhere; so the initial relevance is the logit, also
// where it is negative. Composites may ask for 1 instead.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/relevance/composite.h"
#include "engine/relevance/verify.h"

namespace fovea {

// Relevance reaches the top of node `node` (index in the net as given) through these channels only:
// what flows through the others is dropped there (Achtibat et al. 2023, concept relevance
// propagation).
struct ChannelChoice {
  int node = 0;
  std::vector<int> channels;
};

struct AnalyzerOptions {
  Composite composite;
  std::string device = "cpu";
  int last = -1;          // node index in the net, Split nodes counted; -1 = the last inner product
  int first = 0;          // node index where the walk ends
  Tensor<float> mean;     // of the net's input, (C, H, W), for rules that name it; else empty
  bool keep_all = false;  // relevance of every inner blob stays readable
  float pixel_scale = 1;  // the input is (pixel - mean) * pixel_scale, pixels 0..255
  std::vector<ChannelChoice> channels;
};

// Sums over one layer in one step, per image: incoming (tops) = sum (bottoms) + the absorbed parts,
// where the rule conserves relevance.
struct LayerRelevance {
  std::string name;
  int node = 0;
  std::vector<double> incoming, sum, absorbed_bias, absorbed_epsilon, absorbed_padding;
};

// A part of the start: `weight` times the score (or times the value given) at output `unit`; at
// every position of that channel where the start has positions.
struct StartUnit {
  int unit = 0;
  float weight = 1;
};

class Analyzer {
 public:
  // `graph`: a deploy net with its batch. Nothing above `last` is run.
  Analyzer(const Graph& graph, const AnalyzerOptions& options);
  ~Analyzer();
  Analyzer(const Analyzer&) = delete;
  Analyzer& operator=(const Analyzer&) = delete;

  // Holds inputs and weights of the walked part; after writing weights call weights_changed().
  [[nodiscard]] Executor& executor();
  void weights_changed();

  void forward();
  // Scores of `last` after forward(): (N, classes), or (N, C, H, W) of an inner layer.
  [[nodiscard]] Tensor<float> scores() const;
  // After forward(): relevance from targets (one class per image; -1 = the image gets none).
  // `start` replaces the score when it is not empty (one value per image).
  void run(std::span<const int> targets, std::span<const float> start = {});
  // From several units of each image at once, differences among them: one list per image. `value`
  // replaces the score.
  void run(std::span<const std::vector<StartUnit>> starts, std::optional<float> value = {});
  // From given relevance, of the shape of scores().
  void run_from(TensorView<const float> relevance);

  // Called in place of every step of later walks that changes relevance, for timing: with the
  // layer, what --explain says of it, and what runs it, which may be called more than once. Empty:
  // no more.
  using StepVisitor =
      std::function<void(const Node&, const std::string& how, const std::function<void()>& step)>;
  void visit_steps(StepVisitor visitor);

  // After run(): the map at the net's input blob, or at the bottom of layer `first`, as the
  // composite's MapRule makes it.
  [[nodiscard]] Tensor<float> input_relevance() const;
  // Relevance at bottom `i` of node `node` (index in the net as given); needs keep_all.
  [[nodiscard]] Tensor<float> relevance_at(int node, std::size_t i = 0) const;
  [[nodiscard]] const std::vector<LayerRelevance>& layers() const;
  // What looked wrong in the last run: relevance that is not finite or grew a thousandfold in one
  // layer, denominators near zero. Each line names image, layer and unit.
  [[nodiscard]] const std::vector<std::string>& warnings() const;

  // After run(), image n: every step beside the formula in double (slow). Needs keep_all; steps
  // with distributed biases and injected probabilities are left out.
  [[nodiscard]] std::vector<StepError> verify(std::int64_t n = 0) const;

  [[nodiscard]] const Composite& composite() const;
  // Memory of activations, relevance, weights and steps.
  [[nodiscard]] std::size_t bytes() const;
  // "conv1: alpha_beta: 4 of 4 terms, onednn:convolution", in walking order.
  [[nodiscard]] std::vector<std::string> explain() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea
