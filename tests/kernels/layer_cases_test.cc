// Every layer case of the reference software, and the golden subset that lives in this repository.
#include <gtest/gtest.h>

#include <set>

#include "engine/backend/registry.h"
#include "tests/support/layer_case.h"

namespace fovea {
namespace {

const std::filesystem::path kOracle = std::filesystem::path(FOVEA_ORACLE) / "layers";

const std::vector<std::string> kCases = {"accuracy_ignore",
                                         "accuracy_perclass",
                                         "accuracy_ties",
                                         "accuracy_top1",
                                         "accuracy_top2",
                                         "avepool_global",
                                         "avepool_k2s2_odd",
                                         "avepool_k3s2_ceil",
                                         "avepool_k3s2p1",
                                         "avepool_k5s3p2",
                                         "avepool_k7_global",
                                         "concat3",
                                         "concat_axis0",
                                         "conv_1x1",
                                         "conv_1x1p1",
                                         "conv_1x1s2",
                                         "conv_bigpad",
                                         "conv_full",
                                         "conv_k11s4",
                                         "conv_k3p1",
                                         "conv_k3p1s2g3",
                                         "conv_k3s2",
                                         "conv_k5p2g2",
                                         "conv_k7s2p3",
                                         "conv_k7s4",
                                         "conv_nobias",
                                         "conv_rect",
                                         "dropout_test",
                                         "ip_4d",
                                         "ip_nobias",
                                         "ip_one",
                                         "lrn_ac_big",
                                         "lrn_ac_fewchannels",
                                         "lrn_ac_k2",
                                         "lrn_ac_small",
                                         "lrn_wc3",
                                         "lrn_wc5",
                                         "maxpool_global",
                                         "maxpool_k2s2_odd",
                                         "maxpool_k3s1p1",
                                         "maxpool_k3s1p1_negative",
                                         "maxpool_k3s2_ceil",
                                         "maxpool_k3s2_exact",
                                         "maxpool_k3s2p1_clip",
                                         "maxpool_rect",
                                         "maxpool_ties",
                                         "maxpool_ties_relu",
                                         "relu",
                                         "relu_slope",
                                         "relu_zeros",
                                         "softmax",
                                         "softmax_extreme",
                                         "softmax_spatial",
                                         "softmaxloss",
                                         "softmaxloss_flt_min",
                                         "softmaxloss_ignore",
                                         "softmaxloss_ignore_nonorm",
                                         "softmaxloss_spatial",
                                         "softmaxloss_w0.3",
                                         "split2"};

std::string printable(std::string name) {
  std::ranges::replace(name, '.', '_');
  return name;
}

// Every implementation that the device lists for this layer and that takes it.
void run_on_device(const LayerCase& layer, const std::string& device) {
  const OpProblem problem = problem_of(layer);
  for (const Implementation* implementation : implementations(device, problem.params)) {
    if (implementation->supports(problem).empty()) run_layer_case(layer, *implementation);
  }
  EXPECT_NO_THROW((void)create_op(device, problem)) << layer.name;
}

std::vector<std::string> devices() {
  const auto known = known_devices();
  return {known.begin(), known.end()};
}

class OracleLayer : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(OracleLayer, GivesTheReferenceNumbers) {
  const auto& [name, device] = GetParam();
  if (!std::filesystem::exists(kOracle)) GTEST_SKIP() << "no oracle at " << kOracle;
  run_on_device(read_layer_case(kOracle / name), device);
}

INSTANTIATE_TEST_SUITE_P(Layers, OracleLayer,
                         testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(devices())),
                         [](const auto& parameter) {
                           return std::get<1>(parameter.param) + "_" +
                                  printable(std::get<0>(parameter.param));
                         });

TEST(OracleLayers, AreAllListedHere) {
  if (!std::filesystem::exists(kOracle)) GTEST_SKIP() << "no oracle at " << kOracle;
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kOracle)) {
    if (entry.is_directory()) found.insert(entry.path().filename().string());
  }
  EXPECT_EQ(found, std::set<std::string>(kCases.begin(), kCases.end()));
}

class GoldenLayers : public testing::TestWithParam<std::string> {};

TEST_P(GoldenLayers, GiveTheReferenceNumbers) {
  const auto file = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/layers/layers.json";
  const auto cases = read_golden_layers(file);
  ASSERT_GE(cases.size(), 8U);
  for (const LayerCase& layer : cases) run_on_device(layer, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Devices, GoldenLayers, testing::ValuesIn(devices()),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace fovea
