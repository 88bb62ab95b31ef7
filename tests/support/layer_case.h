// The layer cases of the reference software: inputs, outputs and gradients of one layer.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "kernels/ops/op.h"
#include "tests/support/op_runner.h"

namespace fovea {

struct LayerCase {
  std::string name;
  std::string prototxt;                         // one layer { ... }
  std::map<std::string, Tensor<float>> arrays;  // x0.., w, b, y0.., dy0.., dx0.., dw, db
};

// A folder with case.json and one .npy per array.
[[nodiscard]] LayerCase read_layer_case(const std::filesystem::path& folder);
// Cases written into one JSON file by scripts/make_golden_layers.
[[nodiscard]] std::vector<LayerCase> read_golden_layers(const std::filesystem::path& file);

[[nodiscard]] OpProblem problem_of(const LayerCase& layer);

// Forward and backward against the arrays of the case, separate and (where the operation allows)
// in place, for every layout that the producer of bottom 0 may deliver.
// Bound: 1e-5 of the largest expected magnitude + 1e-7; outputs that only select or copy: exact.
void run_layer_case(const LayerCase& layer, const Implementation& implementation);

}  // namespace fovea
