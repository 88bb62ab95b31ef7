// A training run as JSON; every key with its default. Unknown keys are errors.
//   {"extends": "base.json", "net": "adiencenet", "target": "age", "solver": {"base_lr": 0.001,
//   ...}, ...}
// Three keys shape the file itself and are gone in the resolved form: "extends" (a file to start
// from), "variants" (named changes: {"early": {"solver": {"max_iter": 950}}}) and "variant" (the
// name of the one that applies).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "engine/graph/net_definition.h"
#include "engine/train/best.h"
#include "engine/train/layer_rates.h"
#include "engine/train/solver.h"

namespace fovea {

struct DataConfig {
  std::int64_t batch = 50, crop = 227;
  bool mirror = true;
  float scale = 1;                   // of pixels behind the mean
  std::string sampling = "shuffle";  // shuffle | balanced | weighted (by class)
  std::vector<float> class_weights;  // of weighted
  // Extra augmentation, each off at 0: largest rotation in degrees, zoom in or out as a share,
  // change of brightness and of each colour channel as a share.
  float rotation = 0, zoom = 0, brightness = 0, colour = 0;
  std::int64_t workers = 1, prefetch = 2;  // threads that load batches; batches read ahead

  template <class Self, class V>
  static void visit(Self& d, V&& v) {
    v("batch", d.batch), v("crop", d.crop), v("mirror", d.mirror), v("scale", d.scale);
    v("sampling", d.sampling), v("class_weights", d.class_weights), v("rotation", d.rotation),
        v("zoom", d.zoom), v("brightness", d.brightness), v("colour", d.colour),
        v("workers", d.workers), v("prefetch", d.prefetch);
  }
};

// What a label asks of the net (SoftmaxLossParams in kernels/ops/simple.h), for every loss.
struct LossConfig {
  std::string weighting = "none";    // none | balanced (by the training view's counts) | weighted
  std::vector<float> class_weights;  // of weighted, one per class
  float label_smoothing = 0;         // share of the target spread over all classes
  float ordinal_sigma = 0;           // width, in classes, of a target over neighbouring classes

  template <class Self, class V>
  static void visit(Self& l, V&& v) {
    v("weighting", l.weighting), v("class_weights", l.class_weights),
        v("label_smoothing", l.label_smoothing), v("ordinal_sigma", l.ordinal_sigma);
  }
};

// n / (C n_c) for class counts n_c of sum n: every class weighs the same as a whole, and images 1
// on average; 0 for a class without images.
[[nodiscard]] std::vector<float> balanced_class_weights(std::span<const std::int64_t> counts);

struct TrainConfig {
  std::string net = "adiencenet";     // a name in nets/, or a file
  std::string target = "age";         // age | gender
  std::string alignment = "aligned";  // aligned | unaligned | mixed
  Json parameters =
      Json::object();         // for the net file ("classifier"); "classes" comes from the store
  std::string weights;        // fine-tuning: copied by layer name before the first iteration
  std::string weight_filler;  // replaces every weight filler but the last layer's
                              // ("msra"); empty: as the net says
  std::vector<LayerRate> layer_rates;  // multipliers of learning rates by layer name
  std::vector<std::string> freeze;     // layers that stay as they are, by patterns
  DataConfig data;
  LossConfig loss;
  SolverParams solver;
  EvaluationParams evaluation;  // while training
  std::uint64_t seed = 1;

  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    v("net", c.net), v("target", c.target), v("alignment", c.alignment),
        v("parameters", c.parameters);
    v("weights", c.weights), v("weight_filler", c.weight_filler), v("layer_rates", c.layer_rates),
        v("freeze", c.freeze), v("data", c.data), v("loss", c.loss), v("solver", c.solver),
        v("evaluation", c.evaluation), v("seed", c.seed);
  }
};

// Reads a file, follows "extends" (relative to the file), applies the chosen variant, then
// "key.path=value" settings (value is JSON, or a string); "variant=NAME" chooses.
[[nodiscard]] TrainConfig load_config(const std::filesystem::path& file,
                                      const std::vector<std::string>& settings = {});

// Error naming `file` and key for a value that no run can have.
void check_config(const TrainConfig& config, const std::string& file);

// JSON Schema of a config file.
[[nodiscard]] Json config_schema();

// The net of a config for a phase, with the number of classes set; in the train phase with the
// config's learning rates of layers and losses (class weights as they stand in config.loss).
// `net_file` is where config.net was found.
[[nodiscard]] NetDefinition configured_net(const TrainConfig& config,
                                           const std::filesystem::path& net_file, Phase phase,
                                           std::int64_t batch, std::int64_t classes);

}  // namespace fovea
