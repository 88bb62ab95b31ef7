// From what a user types to files: nets by name, models with their metadata.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/core/tensor.h"
#include "engine/graph/executor.h"
#include "engine/io/safetensors.h"

namespace fovea::apps {

// A file as it is, or "caffenet" -> nets/caffenet.json of the source tree or of the installation.
[[nodiscard]] std::filesystem::path resolve_net(const std::string& name);
// The same of training configs: "age_net_definitions" -> configs/age_net_definitions.json.
[[nodiscard]] std::filesystem::path resolve_config(const std::string& name);

// Where "nets" or "configs" may be: the source tree, the installation.
[[nodiscard]] std::array<std::filesystem::path, 2> shared_folders(const std::string& name);

// "auto" and "cpu" -> "cpu"; Error for what this build has not.
[[nodiscard]] std::string resolve_device();

// What --device, --precision and --engine say of a net's execution. Error for what there is not.
[[nodiscard]] ExecutorOptions resolve_execution();

// Tells what a net ran on, behind the work, so that a mistake stays one line: "device cpu, fp32, engine ordered, 2 threads".
void talk_execution(const ExecutorOptions& options);

// A weight file that knows how it wants to be fed (written by `fovea train`).
struct Model {
  WeightFile file;
  std::string path;
  std::vector<std::string> classes;  // names; empty when unknown
  Tensor<float> mean;                // (C, H, W), or a scalar 0 when unknown
  float scale = 1;                   // of pixels behind the mean
  std::int64_t crop = 0;             // 0: as the net says
};
[[nodiscard]] Model read_model(const std::filesystem::path& weights);
// "f" where the model names its classes, else "1".
[[nodiscard]] std::string class_name(const Model& model, int k);

// Error that says what `model` lacks, or what in it does not fit together: a model that is complete
// has its net, every parameter of it, class names, crop, and a mean that the crop fits into, of
// blue green red images.
void require_complete(const Model& model);

// What --model MODEL says beside --weights, --net and --mean: a net file stands for --net; weights
// stand for --weights and must be complete, and a net or mean named as well must be their own.
// Returns the model where it had to be read for that.
[[nodiscard]] std::optional<Model> settle_model(const std::string& model, std::string& weights,
                                                std::string& net, const std::string& mean);

// The model's own net (its metadata), or `net` when that is given.
[[nodiscard]] NetDefinition model_net(const Model& model, const std::string& net,
                                      std::int64_t batch, Phase phase = Phase::kDeploy);

}  // namespace fovea::apps
