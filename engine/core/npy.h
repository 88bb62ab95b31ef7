// NumPy .npy files, format version 1.0, C order, little-endian: how Fovea exchanges arrays with
// Python.
#pragma once

#include <filesystem>

#include "engine/core/tensor.h"

namespace fovea {

// Reads float32 ('<f4') as is; float64, uint8, int32 and int64 are converted to float.
// More than four axes, Fortran order or another type is an Error naming the file.
[[nodiscard]] Tensor<float> read_npy(const std::filesystem::path& path);

// Writes float32. The file appears complete or not at all.
void write_npy(const std::filesystem::path& path, TensorView<const float> tensor,
               bool overwrite = true);

}  // namespace fovea
