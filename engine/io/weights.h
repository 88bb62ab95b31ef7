// Between an executor's parameters and weight files, by name ("<layer>.weight", "<layer>.bias").
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/graph/executor.h"
#include "engine/io/safetensors.h"

namespace fovea {

using NamedTensors = std::vector<std::pair<std::string, Tensor<float>>>;

// Reads .caffemodel (engine/io/caffemodel.h) by the extension, anything else as safetensors.
[[nodiscard]] WeightFile read_weights(const std::filesystem::path& path);

// What became of each name: `missing` are parameters without a tensor in the file (they keep their
// values), `unused` are tensors that no parameter has; names that start with "__" are not weights
// and not listed.
struct WeightReport {
  std::vector<std::string> matched, missing, unused;
};

// Copies by name, as fine-tuning does. A tensor of another shape is an Error naming file, tensor,
// found and expected; nothing is copied then.
WeightReport load_weights(Executor& executor, const WeightFile& file,
                          const std::string& name_of_file);

// Takes the parameters of `graph` out of `file`, in net order and in the net's shapes (older Caffe
// files have leading ones). One of another shape is an Error, and so is a missing one, unless `all`
// is false: then it is left out.
[[nodiscard]] NamedTensors take_weights(const Graph& graph, WeightFile& file,
                                        const std::string& name_of_file, bool all = true);

// As load_weights, but every parameter must be in the file.
void load_all_weights(Executor& executor, const WeightFile& file, const std::string& name_of_file);
void load_all_weights(Executor& executor, const std::filesystem::path& path);

// Appends all parameters in net order.
void append_weights(const Executor& executor, WeightFile& file);

}  // namespace fovea
