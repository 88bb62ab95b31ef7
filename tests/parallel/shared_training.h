// A small net trained on a batch by one executor, or by ranks that each have a part of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/json_fields.h"
#include "engine/core/random.h"
#include "engine/graph/net_json.h"
#include "engine/train/data_parallel.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"

namespace fovea {

inline constexpr int kBatch = 12, kClasses = 4, kSteps = 3;

// Two heads with losses of their own; `loss` is added to the first one's. The 23 outputs in front
// of a dropout begin a rank's part in the middle of four random numbers.
inline Graph toy(const std::string& loss, std::int64_t batch) {
  Json net = Json::parse(R"({
    "name": "Toy", "input": {"name": "data", "shape": [3, 10, 10]},
    "defaults": {"convolution": {"weight_filler": {"type": "xavier"}},
                 "inner_product": {"weight_filler": {"type": "xavier"}}},
    "layers": [
      {"name": "conv", "type": "convolution", "outputs": 16, "kernel": 3},
      {"name": "relu", "type": "relu"},
      {"name": "drop1", "type": "dropout", "ratio": 0.3},
      {"name": "fc", "type": "inner_product", "outputs": 23},
      {"name": "drop2", "type": "dropout", "ratio": 0.5},
      {"name": "scores", "type": "inner_product", "outputs": 4},
      {"name": "loss", "type": "softmax_loss", "bottom": ["scores", "label"]},
      {"name": "aux", "type": "inner_product", "outputs": 4, "bottom": "fc"},
      {"name": "aux_loss", "type": "softmax_loss", "bottom": ["aux", "label"], "loss_weight": 0.3}
    ]})");
  for (auto& layer : net["layers"]) {
    if (layer["name"] == "loss") layer.update(Json::parse(loss));
  }
  return build_graph(json_net(net, {.phase = Phase::kTrain, .batch = batch}, "toy"));
}

struct Trained {
  std::vector<std::vector<float>> params;
  std::vector<double> losses;
};

// What adds up the gradients of `ranks`, for an executor's device; null: the hosts.
using MakeSum = std::function<std::unique_ptr<DeviceSum>(Communicator& ranks, Device& device)>;

// Trains on this rank's part of every batch; without ranks on all of it.
inline Trained train(const std::string& device, const std::string& loss, const SolverParams& params,
                     Communicator* ranks, const MakeSum& make_sum = {}) {
  const int size = ranks ? ranks->size() : 1, part = kBatch / size,
            first = ranks ? ranks->rank() * part : 0;
  Executor executor(toy(loss, part), {.device = device, .training = true, .seed = 3});
  fill_params(executor, 5);
  std::unique_ptr<DeviceSum> sum;
  if (make_sum) sum = make_sum(*ranks, executor.device());
  std::unique_ptr<DataParallel> shared;
  if (ranks) shared = std::make_unique<DataParallel>(*ranks, executor, sum.get());
  Solver solver(executor, params, shared.get());
  const auto load = [&](std::int64_t sub) {
    const auto batch = static_cast<std::uint64_t>(solver.iteration() * params.iter_size + sub);
    const auto fill = [&](std::span<float> values, auto&& value) {
      const std::size_t image = values.size() / static_cast<std::size_t>(part);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = value(static_cast<std::uint64_t>(first) * image + i);
    };
    fill(executor.input("data").span(),
         [&](std::uint64_t i) { return random_normal({.seed = 7, .iteration = batch}, i); });
    // Rank 0 of four has label 0 alone, which is ignored or weighs little in some of the tests.
    fill(executor.input("label").span(), [&](std::uint64_t i) {
      return i < 3 ? 0.0F : static_cast<float>((i * 7 + batch) % kClasses);
    });
  };
  Trained result;
  for (int step = 0; step < kSteps; ++step) result.losses.push_back(solver.step(load));
  for (std::size_t k = 0; k < executor.param_count(); ++k)
    result.params.push_back(executor.param(k));
  return result;
}

}  // namespace fovea
