// The solver against the reference software: loss of every iteration, first gradients, final
// weights and history.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/train/solver.h"
#include "tests/support/compare.h"
#include "tests/support/oracle_fill.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
const fs::path kSolver = fs::path(FOVEA_ORACLE) / "solver";

std::vector<std::string> case_names() {
  if (!fs::exists(kSolver)) return {"missing"};
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kSolver)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

// Of the first loss and gradient, and of what updates have made of the weights: later losses are
// those of the updated weights.
struct Bounds {
  double loss, gradient, weights;
};

void expect_blob(const fs::path& file, const std::vector<float>& actual, double relative) {
  if (!fs::exists(file)) return;  // of large nets only the small blobs are stored
  const Tensor<float> expected = read_npy(file);
  EXPECT_TRUE(
      all_near(actual, expected.values, relative * largest_magnitude(expected.values) + 1e-9))
      << file.filename();
}

// The first gradient. A value that sits within rounding of a ReLU's zero or ties for a maximum may
// fall on the other side with another processor's summation order; that moves the few gradients
// downstream of it by far more than rounding does. So nine values in ten must be within `relative`,
// and every one within kTie.
void expect_gradient(const fs::path& file, const std::vector<float>& actual, double relative) {
  if (!fs::exists(file)) return;
  constexpr double kTie = 2e-3;
  const Tensor<float> expected = read_npy(file);
  const double largest = largest_magnitude(expected.values);
  ASSERT_TRUE(all_near(actual, expected.values, kTie * largest + 1e-9)) << file.filename();
  std::size_t near = 0;
  for (std::size_t i = 0; i < actual.size(); ++i)
    near += std::abs(actual[i] - expected.values[i]) <= relative * largest + 1e-9;
  EXPECT_GE(near, actual.size() * 9 / 10)
      << file.filename() << ": of " << actual.size() << " values within " << relative;
}

std::string blob(const char* kind, std::size_t k) {
  return str(kind, "_blob", k < 10 ? "0" : "", k, ".npy");
}

class SolverOracle : public testing::TestWithParam<std::string> {};

TEST_P(SolverOracle, GivesTheReferenceNumbers) {
  const fs::path folder = kSolver / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "the reference numbers are not here";
  const Json json = read_json_file(folder / "case.json");
  const bool adience = GetParam().starts_with("adience");
  const Bounds bounds = adience ? Bounds{1e-5, 1e-5, 1e-3} : Bounds{1e-4, 1e-4, 1e-4};
  Executor executor(build_graph(load_net(folder / "net.prototxt", {.phase = Phase::kTrain})),
                    {.device = "cpu", .training = true});
  fill_oracle_params(executor);
  Solver solver(executor, caffe_solver(parse_prototxt(read_file(folder / "solver.prototxt"),
                                                      "solver.prototxt")));
  const auto load = [&](std::int64_t) {
    const std::span<float> image = executor.input("data").span();
    GetParam() == "adience_nodrop_lr1e-5" ? fill_oracle_image(image) : fill_oracle_symmetric(image);
    fill_oracle_labels(executor.input("label").span(), adience ? 8 : 5);
  };
  const auto iterations = json["iterations"].get<std::size_t>();
  for (std::size_t i = 0; i < iterations; ++i) {
    solver.step(load);
    const Json& expected = json["loss_per_iteration"][i];
    const double relative = i == 0 ? bounds.loss : bounds.weights;
    for (std::size_t sub = 0; sub < solver.last_losses().size(); ++sub) {
      const double loss =
          expected.is_array() ? expected[sub].get<double>() : expected.get<double>();
      EXPECT_NEAR(solver.last_losses()[sub], loss, relative * std::max(1.0, std::abs(loss)))
          << "iteration " << i;
    }
    const double rate = json["lr_per_iteration"][i].get<double>();
    EXPECT_NEAR(static_cast<double>(solver.last_rate()), rate, 1e-6 * rate) << "iteration " << i;
    if (i > 0) continue;
    for (std::size_t k = 0; k < executor.param_count(); ++k) {
      if (executor.param_info(k).lr_mult == 0) continue;
      expect_gradient(folder / blob("grad0", k), executor.param_grad(k), bounds.gradient);
    }
  }
  for (std::size_t k = 0; k < executor.param_count(); ++k) {
    SCOPED_TRACE(executor.param_info(k).name);
    expect_blob(folder / blob("final", k), executor.param(k), bounds.weights);
    // History holds the last updates, which are far smaller than the weights whose tolerance is
    // given.
    expect_blob(folder / blob("history", k), solver.history(k), adience ? 1e-2 : 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, SolverOracle, testing::ValuesIn(case_names()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(LearningRate, GivesTheReferenceTablesOfEveryPolicy) {
  if (!fs::exists(kSolver)) GTEST_SKIP() << "the reference numbers are not here";
  const Json tables = read_json_file(kSolver / "lr_policies.json");
  for (const auto& [name, table] : tables.items()) {
    if (name == "multistep_jump") continue;
    const SolverParams params =
        caffe_solver(parse_prototxt(table["solver"].get<std::string>(), name));
    int step = 0;
    for (std::size_t i = 0; i < table["lr_f32"].size(); ++i) {
      const double expected = table["lr_f32"][i].get<double>();
      EXPECT_NEAR(static_cast<double>(learning_rate(params, static_cast<std::int64_t>(i), step)),
                  expected, 1e-6 * std::abs(expected))
          << name << " at " << i;
    }
  }
}

TEST(LearningRate, MultistepAdvancesOneStepPerQuery) {
  const SolverParams params{
      .base_lr = 0.01F, .policy = LrPolicy::kMultistep, .gamma = 0.1F, .stepvalues = {3, 8}};
  int step = 0;
  const std::pair<std::int64_t, float> queries[] = {
      {0, 0.01F}, {10, 0.001F}, {11, 0.0001F}, {12, 0.0001F}};
  for (const auto& [iteration, rate] : queries)
    EXPECT_NEAR(learning_rate(params, iteration, step), rate, 1e-6F * rate);
}

TEST(LearningRate, CosineWarmsUpAndEndsAtZero) {
  const SolverParams params{
      .base_lr = 1, .policy = LrPolicy::kCosine, .warmup = 10, .max_iter = 110};
  int step = 0;
  EXPECT_FLOAT_EQ(learning_rate(params, 0, step), 0.1F);
  EXPECT_FLOAT_EQ(learning_rate(params, 9, step), 1.0F);
  EXPECT_NEAR(learning_rate(params, 60, step), 0.5F, 1e-6F);
  EXPECT_NEAR(learning_rate(params, 110, step), 0.0F, 1e-6F);
}

}  // namespace
}  // namespace fovea
