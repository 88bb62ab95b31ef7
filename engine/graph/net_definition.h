// The definition of a net for one phase: pure data, read from a Fovea JSON (nets/README.md) or a
// Caffe prototxt.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "kernels/ops/op.h"

namespace fovea {

// kTrain: losses, dropout draws. kTest: losses and accuracy on held-out data. kDeploy: scores and
// probabilities.
enum class Phase { kTrain, kTest, kDeploy };

// Multipliers of the solver's learning rate and weight decay for one learnable blob.
struct ParamMultipliers {
  float lr_mult = 1, decay_mult = 1;
};

struct LayerDefinition {
  std::string name;
  OpParams op;
  std::vector<std::string> bottoms, tops;  // blob names; the same name in both = in place
  std::vector<ParamMultipliers> params;    // weights, then bias; missing ones are (1, 1)
};

struct InputDefinition {
  std::string name;
  Shape shape;  // with the batch as first axis
};

struct NetDefinition {
  std::string name;
  std::vector<InputDefinition> inputs;
  std::vector<LayerDefinition> layers;  // in order; every bottom is an input or an earlier top
};

struct NetOptions {
  Phase phase = Phase::kDeploy;
  std::int64_t batch = 0;  // 0: as the file says
  std::int64_t crop = 0;   // rows and columns of the input; 0: as the file says
  std::map<std::string, Json>
      parameters;  // values for the JSON's "parameters" (classes, classifier)
};

// Reads .json or .prototxt (by content of the extension). Inputs of kTrain and kTest are "data" and
// "label". A prototxt's Data layers become these inputs. Unknown layer types are all listed in one
// Error.
[[nodiscard]] NetDefinition load_net(const std::filesystem::path& path,
                                     const NetOptions& options = {});

}  // namespace fovea
