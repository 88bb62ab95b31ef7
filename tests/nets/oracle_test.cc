// Whole nets against the reference software: forward passes and heatmaps of AdienceNet and
// CaffeNet, and relevance at every layer of the small nets, for every formula of the LRP Toolbox.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/backend/registry.h"
#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/relevance/analyzer.h"
#include "tests/support/compare.h"
#include "tests/support/oracle_fill.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
const fs::path kOracle = FOVEA_ORACLE;

struct NetFiles {
  const char *folder, *net;
};
constexpr NetFiles kBigNets[] = {{"adiencenet_age", "adiencenet"}, {"caffenet_age", "caffenet"}};

class BigNet : public testing::TestWithParam<NetFiles> {
 protected:
  [[nodiscard]] static fs::path folder() { return kOracle / "nets" / GetParam().folder; }
  [[nodiscard]] static Graph graph() {
    return build_graph(
        load_net(fs::path(FOVEA_SOURCE_DIR) / "nets" / (std::string(GetParam().net) + ".json"),
                 {.batch = 2}));
  }
};

TEST_P(BigNet, ForwardGivesTheReferenceNumbers) {
  if (!fs::exists(folder())) GTEST_SKIP() << "the reference numbers are not here";
  Executor executor(graph(), {.device = "cpu", .keep_all = true});
  fill_oracle_params(executor);
  fill_oracle_image(executor.input("data").span());
  executor.forward();
  const Json json = read_json_file(folder() / "net.json");
  for (const Json& info : json["blobs"]) {
    const Tensor<float> blob = executor.blob(info["blob"].get<std::string>());
    double sum = 0;
    for (const float value : blob.values) sum += std::abs(static_cast<double>(value));
    EXPECT_NEAR(sum, info["abssum"].get<double>(), 2e-5 * info["abssum"].get<double>())
        << info["blob"];
  }
  const auto compare = [&](const std::string& file, const std::vector<float>& actual) {
    const Tensor<float> expected = read_npy(folder() / file);
    EXPECT_TRUE(all_near(std::span<const float>(actual).first(expected.values.size()),
                         std::span<const float>(expected.values),
                         2e-5 * largest_magnitude(expected.values)))
        << file;
  };
  compare("logits.npy", executor.tensor(executor.graph().nodes.back().bottoms[0]).values);
  compare("prob.npy", executor.blob("prob").values);
}

double relative_l1(const std::vector<float>& actual, const std::vector<float>& expected) {
  double difference = 0, total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    total += std::abs(static_cast<double>(expected[i]));
  }
  return difference / total;
}

std::vector<int> classes_of(const Json& json) { return json.get<std::vector<int>>(); }

TEST_P(BigNet, HeatmapsGiveTheReferenceNumbers) {
  if (!fs::exists(folder())) GTEST_SKIP() << "the reference numbers are not here";
  const Json json = read_json_file(folder() / "net.json");
  for (const int formula : {0, 2, 100}) {
    Analyzer analyzer(graph(), {.composite = load_composite(
                                    str("toolbox-", formula),
                                    {.epsilon = 0.1F, .beta = 1.0F, .toolbox_group_bias = true})});
    fill_oracle_params(analyzer.executor());
    analyzer.weights_changed();
    fill_oracle_image(analyzer.executor().input("data").span());
    analyzer.forward();
    const std::vector<float> scores = analyzer.scores().values;
    std::vector<int> best(2);
    for (int n = 0; n < 2; ++n) {
      best[static_cast<std::size_t>(n)] =
          static_cast<int>(std::max_element(scores.begin() + n * 8, scores.begin() + n * 8 + 8) -
                           (scores.begin() + n * 8));
    }
    analyzer.run(best);
    const Tensor<float> expected = read_npy(folder() / str("hm_f", formula, "_argmax_img0.npy"));
    std::vector<float> image = analyzer.input_relevance().values;
    image.resize(expected.values.size());
    EXPECT_LE(relative_l1(image, expected.values), 5e-5) << "formula " << formula;
    EXPECT_TRUE(all_near(image, expected.values, 2e-4 * largest_magnitude(expected.values)))
        << "formula " << formula;
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, BigNet, testing::ValuesIn(kBigNets),
                         [](const auto& test) { return std::string(test.param.net); });

// ---- relevance of the small nets, every layer

struct LrpCase {
  std::string net, name, device = "cpu";
};

// Every case on the CPU and on the emulated device.
std::vector<LrpCase> lrp_cases() {
  std::vector<LrpCase> cases;
  if (!fs::exists(kOracle / "lrp")) return {{"missing", "missing"}};
  for (const Json& entry : read_json_file(kOracle / "lrp" / "index.json")) {
    for (const std::string_view device : known_devices()) {
      if (device == "reference") continue;
      cases.push_back(
          {entry["net"].get<std::string>(), entry["case"].get<std::string>(), std::string(device)});
    }
  }
  return cases;
}

CompositeOverrides overrides_of(const Json& o) {
  CompositeOverrides overrides{
      .epsilon = o["epsstab"].get<float>(),
      .beta = o["alphabeta_beta"].get<float>(),
      .max_pooling = o["maxpoolingtoavgpoolinginbackwardpass"].get<int>() == 1
                         ? MaxPoolingRule::kAverage
                         : MaxPoolingRule::kWinner,
      .bias = o["biastreatmenttype"].get<int>() == 1 ? BiasRule::kDistribute : BiasRule::kAbsorb,
      .flat_until = o["maxlayerindexforflat"].get<int>(),
      .toolbox_group_bias = o["group_bias_fixed"].get<int>() == 0};
  const int formula = o["formula"].get<int>();
  if (formula != 11 && formula != 99)  // those do not use the relevance code
    overrides.lrn = o["lrn_backward_type"].get<int>() == 1 ? LrnRule::kToolbox : LrnRule::kIdentity;
  return overrides;
}

class LrpOracle : public testing::TestWithParam<LrpCase> {};

TEST_P(LrpOracle, EveryLayerGivesTheReferenceNumbers) {
  const fs::path folder = kOracle / "lrp" / GetParam().net;
  if (!fs::exists(folder)) GTEST_SKIP() << "the reference numbers are not here";
  const Json json = read_json_file(folder / GetParam().name / "case.json");
  const Json& o = json["resolved"];
  Tensor<float> mean;
  if (o["mean_used"].get<bool>()) mean = read_npy(folder / "mean.npy");
  Analyzer analyzer(
      build_graph(load_net(folder / "net.prototxt")),
      {.composite = load_composite(str("toolbox-", o["formula"].get<int>()), overrides_of(o)),
       .device = GetParam().device,
       .last = o["lastlayerindex_resolved"].get<int>(),
       .first = o["firstlayerindex"].get<int>(),
       .mean = mean,
       .keep_all = true});
  const Tensor<float> params = read_npy(folder / "params.npy"),
                      input = read_npy(folder / "input.npy");
  std::size_t at = 0;
  for (std::size_t k = 0; k < analyzer.executor().param_count(); ++k) {
    const auto count = static_cast<std::size_t>(analyzer.executor().param_info(k).shape.count());
    analyzer.executor().set_param(k, std::span(params.values).subspan(at, count));
    at += count;
  }
  analyzer.weights_changed();
  std::ranges::copy(input.values, analyzer.executor().input("data").span().begin());
  analyzer.forward();
  std::vector<int> targets = classes_of(json["class_per_image"]);
  targets.resize(2, -1);
  std::vector<float> start;
  if (o["has_init_relevance"].get<int>() == 1)
    start.assign(2, o["relevance_for_init"].get<float>());
  analyzer.run(targets, start);
  const Tensor<float> expected = read_npy(folder / GetParam().name / "rel_layers.npy");
  int compared = 0;
  for (const Json& layer : json["layers"]) {
    const auto key = layer["key"].get<std::string>();  // "004:conv2:bottom0:norm1"
    if (key == "top_init") continue;
    const auto offset = layer["offset"].get<std::size_t>();
    const auto bottom = static_cast<std::size_t>(key[key.find(":bottom") + 7] - '0');
    const std::vector<float> actual =
        analyzer.relevance_at(std::stoi(key.substr(0, 3)), bottom).values;
    const auto part = std::span<const float>(expected.values).subspan(offset, actual.size());
    EXPECT_TRUE(
        all_near(std::span<const float>(actual), part, 5e-5 * largest_magnitude(part) + 1e-12))
        << key;
    ++compared;
  }
  EXPECT_GT(compared, 0);
  const Tensor<float> input_relevance = read_npy(folder / GetParam().name / "rel_input.npy");
  EXPECT_TRUE(all_near(analyzer.input_relevance().values, input_relevance.values,
                       5e-5 * largest_magnitude(input_relevance.values) + 1e-12));
}

INSTANTIATE_TEST_SUITE_P(Cases, LrpOracle, testing::ValuesIn(lrp_cases()), [](const auto& test) {
  std::string name = test.param.net + "_" + test.param.name + "_" + test.param.device;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace fovea
