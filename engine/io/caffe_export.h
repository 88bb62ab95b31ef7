// A net and its weights as Caffe's own files.
#pragma once

#include <filesystem>
#include <string>

#include "engine/graph/net_definition.h"
#include "engine/io/weights.h"

namespace fovea {

// The definition as prototxt text (`layer` syntax, inputs as input_shape) that caffe_net reads as
// the same definition, fillers and multipliers included.
[[nodiscard]] std::string caffe_prototxt(const NetDefinition& net);

// The weights ("<layer>.weight", "<layer>.bias") as a NetParameter message: a layer with its blobs
// for each layer of `net` that has some. The file appears complete or not at all.
void write_caffemodel(const std::filesystem::path& path, const NetDefinition& net,
                      const NamedTensors& weights, bool overwrite);

}  // namespace fovea
