#include "tests/support/layer_case.h"

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "engine/graph/caffe_net.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

// x0, x1, ...
std::vector<Tensor<float>> numbered(const LayerCase& layer, const std::string& prefix) {
  std::vector<Tensor<float>> list;
  for (auto at = layer.arrays.find(prefix + "0"); at != layer.arrays.end();
       at = layer.arrays.find(str(prefix, list.size()))) {
    list.push_back(at->second);
  }
  return list;
}
std::vector<Tensor<float>> named(const LayerCase& layer, std::initializer_list<const char*> names) {
  std::vector<Tensor<float>> list;
  for (const char* name : names) {
    if (layer.arrays.contains(name)) list.push_back(layer.arrays.at(name));
  }
  return list;
}

void expect_near(const std::vector<Tensor<float>>& actual,
                 const std::vector<Tensor<float>>& expected, bool exact, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto &e = expected[i].values, &a = actual[i].values;
    EXPECT_TRUE(all_near(a, e, exact ? 0 : 1e-5 * largest_magnitude(e) + 1e-7)) << what << i;
  }
}

template <class... Kinds>
bool is_any_of(const OpParams& params) {
  return (std::holds_alternative<Kinds>(params) || ...);
}

}  // namespace

LayerCase read_layer_case(const std::filesystem::path& folder) {
  const Json json = read_json_file(folder / "case.json");
  LayerCase layer{json["name"].get<std::string>(), json["layer_prototxt"].get<std::string>(), {}};
  for (const auto& [key, file] : json["files"].items()) {
    layer.arrays[key] = read_npy(folder / file["file"].get<std::string>());
  }
  return layer;
}

std::vector<LayerCase> read_golden_layers(const std::filesystem::path& file) {
  std::vector<LayerCase> cases;
  for (const Json& json : read_json_file(file)) {
    LayerCase& layer = cases.emplace_back();
    layer.name = json["name"].get<std::string>(),
    layer.prototxt = json["layer_prototxt"].get<std::string>();
    for (const auto& [key, array] : json["arrays"].items()) {
      const auto extents = array["shape"].get<std::vector<std::int64_t>>();
      layer.arrays[key] = Tensor<float>(Shape(extents), array["values"].get<std::vector<float>>());
    }
  }
  return cases;
}

OpProblem problem_of(const LayerCase& layer) {
  const ProtoMessage net = parse_prototxt(layer.prototxt, layer.name);
  OpProblem problem{.params = caffe_layer(net.message("layer")).op,
                    .bottoms = {},
                    .tops = {},
                    .bottom_layouts = {},
                    .propagate = {}};
  for (const auto& x : numbered(layer, "x")) {
    problem.bottoms.push_back(x.shape);
    problem.bottom_layouts.push_back(Layout::kPlain);
    problem.propagate.push_back(layer.arrays.contains(str("dx", problem.propagate.size())));
  }
  for (const auto& y : numbered(layer, "y")) problem.tops.push_back(y.shape);
  // The cases were recorded in the test phase; only dropout and accuracy behave differently there.
  problem.training = !is_any_of<DropoutParams, AccuracyParams>(problem.params);
  return problem;
}

void run_layer_case(const LayerCase& layer, const Implementation& implementation) {
  OpProblem problem = problem_of(layer);
  OpInputs inputs{numbered(layer, "x"), named(layer, {"w", "b"}), numbered(layer, "dy")};
  if (is_any_of<SoftmaxLossParams>(problem.params)) inputs.top_grads.clear();
  const auto* pooling = std::get_if<PoolingParams>(&problem.params);
  const bool is_max = pooling && pooling->mode == PoolingMode::kMax;
  const bool selects =
      is_any_of<ReluParams, ConcatParams, SplitParams, DropoutParams, AccuracyParams>(
          problem.params);
  for (const Layout delivered :
       {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
    if (delivered != Layout::kPlain && problem.bottoms[0].rank() != 4) continue;
    for (Layout& layout : problem.bottom_layouts) layout = delivered;
    if (!implementation.supports(problem).empty()) continue;
    const bool may_be_in_place = implementation.create(problem)->in_place();
    for (const bool in_place : {false, true}) {
      if (in_place && !may_be_in_place) continue;
      SCOPED_TRACE(str(layer.name, " by ", implementation.name, " from ", layout_name(delivered),
                       in_place ? " in place" : ""));
      const OpOutputs outputs = run_op(problem, implementation, inputs, {.in_place = in_place});
      expect_near(outputs.tops, numbered(layer, "y"), selects || is_max, "y");
      if (!problem.training) continue;
      expect_near(outputs.bottom_grads, numbered(layer, "dx"), selects, "dx");
      expect_near(outputs.param_grads, named(layer, {"dw", "db"}), false, "dw, db: ");
    }
  }
}

}  // namespace fovea
