// `fovea relevance` as a process on a tiny net with random weights.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/core/npy.h"
#include "tests/support/command.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temporary_folder.h"

namespace fovea {

namespace fs = std::filesystem;

inline constexpr int kSide = 12;

class RelevanceCommand : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "root/faces");
    std::ofstream(folder_ / "net.prototxt") << R"(name: "tiny" input: "data"
      input_dim: 2 input_dim: 3 input_dim: 12 input_dim: 12
      layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "gaussian" std: 0.1 } } }
      layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
      layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.01 } }
      layer { name: "fc" type: "InnerProduct" bottom: "norm1" top: "fc"
        inner_product_param { num_output: 6 weight_filler { type: "gaussian" std: 0.1 } } }
      layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" })";
    ASSERT_EQ(run({"net", "init", path("net.prototxt"), "--out", path("w.safetensors")}).code, 0);
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }
  CommandResult run(const std::vector<std::string>& arguments) {
    return run_command(folder_.path(), arguments);
  }
  CommandResult explain(std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "relevance",   "--net", path("net.prototxt"), "--weights", path("w.safetensors"), "--input",
        path("x.npy"), "--out", path("out"),          "--force"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  void write_input() {
    Tensor<float> x = random_tensor<float>(Shape{3, 3, kSide, kSide}, 1);
    for (float& v : x.values) v *= 100;
    write_npy(path("x.npy"), x.view());
  }

  TemporaryFolder folder_;
};

}  // namespace fovea
