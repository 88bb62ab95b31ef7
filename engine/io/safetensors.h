// Weight files in the safetensors format (8-byte header length, JSON header, raw little-endian
// tensors), float32 only. Files hold no time, host or path: equal contents give equal bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace fovea {

struct WeightFile {
  std::vector<std::pair<std::string, Tensor<float>>> tensors;  // in file order
  std::map<std::string, std::string> metadata;

  [[nodiscard]] const Tensor<float>* find(const std::string& name) const;
};

// Error with one line where the file is truncated, its header is not what the format says, tensors
// overlap or leave bytes unused, or a tensor is not F32.
[[nodiscard]] WeightFile read_safetensors(const std::filesystem::path& path);

// The metadata alone: reads the header, not the tensors. Error where it is not what the format
// says.
[[nodiscard]] std::map<std::string, std::string> read_safetensors_metadata(
    const std::filesystem::path& path);

// The file appears complete or not at all.
void write_safetensors(const std::filesystem::path& path, const WeightFile& file,
                       bool overwrite = true);

}  // namespace fovea
