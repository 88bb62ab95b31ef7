// A training run so small that it takes milliseconds: 24 images of 3x12x12 whose brightness is the
// gender, a net of one convolution and one inner product with dropout, two folds.
#pragma once

#include <string>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"

namespace fovea {

inline constexpr int kToyImages = 24;

inline void write_toy_store(const std::filesystem::path& path) {
  StoreWriter writer(path, {{"age", {"young", "old"}}, {"gender", {"m", "f"}}}, true);
  for (std::uint32_t i = 0; i < kToyImages; ++i) {
    const int gender = static_cast<int>(i % 2);
    std::vector<std::uint8_t> planes = random_bytes(3 * 12 * 12, i);
    for (auto& pixel : planes) pixel = static_cast<std::uint8_t>(pixel / 2 + (gender ? 120 : 0));
    const NewRecord record{.height = 12, .width = 12, .labels = {gender, gender}};
    writer.add(record, planes);
  }
  for (int fold = 0; fold < 2; ++fold) {
    std::vector<std::uint32_t> train, test;
    for (std::uint32_t i = 0; i < kToyImages; ++i)
      (static_cast<int>(i / 2 % 2) == fold ? test : train).push_back(i);
    writer.add_view(str("gender/aligned/fold", fold, "/train"), "gender", train, Json::object());
    writer.add_view(str("gender/aligned/fold", fold, "/test"), "gender", test, Json::object());
  }
  writer.commit(Json::object());
}

inline void write_toy_net(const std::filesystem::path& path) {
  write_file(path, R"({
  "name": "Toy",
  "parameters": {"classes": 2},
  "input": {"name": "data", "shape": [3, 10, 10]},
  "defaults": {"convolution": {"weight_filler": {"type": "gaussian", "std": 0.01}},
               "inner_product": {"weight_filler": {"type": "xavier"}}},
  "layers": [
    {"name": "conv", "type": "convolution", "outputs": 6, "kernel": 3, "stride": 2},
    {"name": "relu", "type": "relu"},
    {"name": "pool", "type": "pooling", "kernel": 2, "stride": 2},
    {"name": "drop", "type": "dropout", "ratio": 0.5},
    {"name": "scores", "type": "inner_product", "outputs": "$classes"},
    {"name": "loss", "type": "softmax_loss", "bottom": ["scores", "label"], "phase": ["train", "test"]},
    {"name": "prob", "type": "softmax", "phase": "deploy"}
  ]
})");
}

// A folder with the store, the net and a config of `iterations` iterations.
class ToyRun {
 public:
  explicit ToyRun(int iterations) {
    write_toy_store(folder_ / "toy.fovea");
    write_toy_net(folder_ / "toy.json");
    write_file(folder_ / "config.json",
               str(R"({"net": ")", (folder_ / "toy.json").string(),
                   R"(", "target": "gender", "data": {"batch": 4, "crop": 10},
                      "solver": {"base_lr": 0.0002, "policy": "multistep", "stepvalues": [)",
                   iterations / 3, ", ", iterations / 2, R"(], "iter_size": 2, "max_iter": )",
                   iterations, R"(, "snapshot": 7, "display": 3}})"));
  }

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return folder_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }

  // Arguments of `fovea train` into folder `out`, and of `fovea eval` of what is in it.
  [[nodiscard]] std::vector<std::string> train(const std::string& out,
                                               const std::vector<std::string>& more = {}) const {
    return command("train", {"--out", file(out)}, more);
  }
  [[nodiscard]] std::vector<std::string> eval(const std::string& out,
                                              const std::vector<std::string>& more = {}) const {
    return command("eval", {"--weights", file(out)}, more);
  }

 private:
  [[nodiscard]] std::vector<std::string> command(const std::string& name,
                                                 const std::vector<std::string>& place,
                                                 const std::vector<std::string>& more) const {
    std::vector<std::string> all{name, file("config.json"), "--data", file("toy.fovea")};
    all.insert(all.end(), place.begin(), place.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  TemporaryFolder folder_;
};

}  // namespace fovea
