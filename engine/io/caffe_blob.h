// Caffe's BlobProto message: num 1, channels 2, height 3, width 4 as varints (older files), data 5
// as packed or single floats, shape 7 as a message with dim 1 (newer files). Other fields are
// skipped.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/tensor.h"

namespace fovea {

// The message in `bytes`. Shape (num, channels, height, width), or as its `shape` field says. Error
// naming `file` when it is damaged or its values are not as many as its shape says.
[[nodiscard]] Tensor<float> parse_caffe_blob(std::string_view bytes, const std::string& file);

}  // namespace fovea
