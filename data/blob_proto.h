// Caffe's BlobProto message alone in a file, as its mean images are: .binaryproto.
//
// Wire format (protocol buffers): num 1, channels 2, height 3, width 4 as varints, data 5 as packed
// or single floats, shape 7 as a message with dim 1. Other fields are skipped.
#pragma once

#include <filesystem>

#include "engine/core/tensor.h"

namespace fovea {

// Shape (num, channels, height, width), or as its `shape` field says. Error naming the file when it
// is damaged.
[[nodiscard]] Tensor<float> read_blob_proto(const std::filesystem::path& path);

// (C, H, W) as num = 1, channels, height, width.
void write_blob_proto(const std::filesystem::path& path, TensorView<const float> tensor,
                      bool overwrite);

}  // namespace fovea
