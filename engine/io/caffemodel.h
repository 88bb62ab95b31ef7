// Weights in Caffe's binary files: a NetParameter message with layers in the present form (field
// 100: name 1, blobs 7) or the older one (field 2: name 4, blobs 6).
#pragma once

#include <filesystem>

#include "engine/io/safetensors.h"

namespace fovea {

// Blob 0 of a layer becomes "<layer>.weight", blob 1 "<layer>.bias"; further ones, which no layer
// of Fovea has, "<layer>.blob2" and so on. Shapes as stored: older files have four axes with
// leading ones. Error with one line where the file is truncated or damaged, or holds no weights.
[[nodiscard]] WeightFile read_caffemodel(const std::filesystem::path& path);

}  // namespace fovea
