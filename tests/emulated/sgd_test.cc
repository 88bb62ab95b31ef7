// The update of all parameters in one launch on the emulated device against the CPU's, blob by
// blob, and a solver on it against one on the CPU.
#include <gtest/gtest.h>

#include "engine/backend/registry.h"
#include "engine/train/filler.h"
#include "engine/train/solver.h"
#include "kernels/cpu/sgd.h"
#include "tests/emulated/launch_support.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

std::vector<float> values(std::int64_t count, std::uint64_t seed) {
  return random_tensor<float>({count}, seed).values;
}

struct Blob {
  std::vector<float> w, v, g;
  float rate, decay;
};
struct There {
  emulated::GlobalArray<float> w, v, g, sum;
  explicit There(const Blob& b)
      : w(b.w), v(b.v), g(b.g), sum(std::vector<float>(b.g.size(), std::nanf(""))) {}
};

class Sgd : public testing::TestWithParam<emulated::Order> {};
INSTANTIATE_TEST_SUITE_P(Orders, Sgd, testing::ValuesIn(emulated::kAllOrders),
                         [](const auto& test) { return "order" + std::to_string(test.index); });

// A blob of several chunks, tails, a single weight.
TEST_P(Sgd, UpdatesEveryBlobInOneLaunch) {
  const emulated::ThreadOrderScope order(GetParam());
  const auto device = open_device("emulated");
  for (const bool l1 : {false, true}) {
    std::vector<Blob> blobs;
    std::vector<std::unique_ptr<There>> there;
    std::vector<SgdBlob> list, summing;
    std::uint64_t seed = 1;
    for (const std::int64_t count : {40000, 1, 4099, 16}) {
      Blob b{values(count, seed), values(count, seed + 1), values(count, seed + 2),
             static_cast<float>(seed), 0.01F * static_cast<float>(seed)};
      b.w[0] = 0;  // sign(0) = 0
      seed += 3;
      there.push_back(std::make_unique<There>(b));
      const There& t = *there.back();
      list.push_back({t.w.data(), t.v.data(), t.g.data(), nullptr, count, b.rate, b.decay});
      summing.push_back({t.w.data(), t.v.data(), t.g.data(), t.sum.data(), count, b.rate, b.decay});
      blobs.push_back(std::move(b));
    }
    const SgdCall call{.gradient_scale = 0.5F, .rate = 0.1F, .momentum = 0.9F, .l1 = l1};
    const auto sgd = sgd_kernels(*device, list), sums = sgd_kernels(*device, summing);
    double squares = 0;
    for (const Blob& b : blobs) squares += cpu::sum_of_squares(b.g);
    EXPECT_NEAR(sgd->sum_of_squares(), squares, 1e-12 * squares);
    sgd->update(call);
    // In two parts, as a backward pass that is shared by ranks does.
    for (const bool first : {true, false}) {
      sums->accumulate(first, 2, 4);
      sums->accumulate(first, 0, 2);
    }
    EXPECT_NEAR(sums->sum_of_squares(), 4 * squares, 1e-11 * squares);
    sums->update(call);
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      Blob& b = blobs[i];
      cpu::SgdStep step{.gradient_scale = 0.5F,
                        .rate = 0.1F * b.rate,
                        .momentum = 0.9F,
                        .decay = b.decay,
                        .l1 = l1};
      cpu::sgd_update(step, b.w, b.g, b.v);
      step.gradient_scale = 1;  // of twice the gradient by a half
      cpu::sgd_update(step, b.w, b.g, b.v);
      EXPECT_TRUE(all_near(there[i]->w.values(), b.w, 1e-5)) << "blob " << i;
      EXPECT_TRUE(all_near(there[i]->v.values(), b.v, 1e-5)) << "blob " << i;
    }
  }
}

// Weights and histories after some iterations with clipping and sub-batches, and after going on
// from a restored history.
TEST(SgdSolver, TrainsAsOnTheCpu) {
  TemporaryFolder folder;
  write_toy_net(folder / "toy.json");
  const Graph graph =
      build_graph(load_net(folder / "toy.json", {.phase = Phase::kTrain, .batch = 3}));
  const auto train = [&](const std::string& device) {
    Executor executor(graph, {.device = device, .training = true, .seed = 5});
    fill_params(executor, 1);
    const auto load = [&](std::int64_t sub) {
      const TensorView<float> x = executor.input("data"), label = executor.input("label");
      const Tensor<float> image =
          random_tensor<float>(x.shape, 10 + static_cast<std::uint64_t>(sub));
      std::ranges::copy(image.values, x.data);
      for (std::int64_t n = 0; n < label.count(); ++n) label.data[n] = static_cast<float>(n % 2);
    };
    const SolverParams params{
        .base_lr = 0.1F, .policy = LrPolicy::kFixed, .iter_size = 2, .clip_gradients = 0.5F};
    Solver first(executor, params);
    for (int i = 0; i < 3; ++i) (void)first.step(load);
    std::vector<std::vector<float>> result;
    for (std::size_t k = 0; k < executor.param_count(); ++k) result.push_back(first.history(k));
    Solver second(executor, params);
    second.restore(3, result);
    (void)second.step(load);
    for (std::size_t k = 0; k < executor.param_count(); ++k) {
      result.push_back(second.history(k));
      result.push_back(executor.param(k));
    }
    return result;
  };
  const auto here = train("cpu"), there = train("emulated");
  ASSERT_EQ(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) {
    EXPECT_GT(largest_magnitude(here[i]), 0);
    EXPECT_TRUE(all_near(there[i], here[i], 1e-4 * largest_magnitude(here[i]))) << "values " << i;
  }
}

}  // namespace
}  // namespace fovea
