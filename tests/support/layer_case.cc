#include "tests/support/layer_case.h"

#include <gtest/gtest.h>

#include <regex>

#include "engine/core/file.h"
#include "engine/core/npy.h"
#include "tests/support/compare.h"

namespace fovea {
namespace {

// Text of `key: value` in a layer's prototxt; keys of these one-layer texts are unique.
std::string text_of(const std::string& prototxt, const std::string& key) {
  std::smatch match;
  const std::regex pattern("\\b" + key + ": *\"?([^\" }]+)");
  return std::regex_search(prototxt, match, pattern) ? match[1].str() : "";
}

template <class T>
void set(const std::string& prototxt, const std::string& key, T& field) {
  const std::string text = text_of(prototxt, key);
  if (text.empty()) return;
  if constexpr (std::is_same_v<T, bool>) {
    field = text == "true";
  } else {
    field = static_cast<T>(std::stod(text));
  }
}

void set_extents(const std::string& prototxt, const std::string& key, const std::string& square,
                 Extent2& field) {
  set(prototxt, square, field[0]), set(prototxt, square, field[1]);
  set(prototxt, key + "_h", field[0]), set(prototxt, key + "_w", field[1]);
}

template <class Params>
Params windowed(const std::string& prototxt) {
  Params p;
  set_extents(prototxt, "kernel", "kernel_size", p.kernel);
  set_extents(prototxt, "stride", "stride", p.stride);
  set_extents(prototxt, "pad", "pad", p.pad);
  return p;
}

template <class Params>
Params labelled(const std::string& prototxt) {
  Params p;
  p.has_ignore_label = !text_of(prototxt, "ignore_label").empty();
  set(prototxt, "ignore_label", p.ignore_label);
  return p;
}

template <class Params>
Params with_outputs(const std::string& prototxt, Params p) {
  set(prototxt, "num_output", p.outputs);
  set(prototxt, "bias_term", p.bias);
  return p;
}

OpParams params_of(const std::string& text) {
  const std::string type = text_of(text, "type");
  if (type == "Convolution") {
    auto p = with_outputs(text, windowed<ConvolutionParams>(text));
    set(text, "group", p.groups);
    return p;
  }
  if (type == "InnerProduct") return with_outputs(text, InnerProductParams{});
  if (type == "Pooling") {
    auto p = windowed<PoolingParams>(text);
    p.mode = text_of(text, "pool") == "AVE" ? PoolingMode::kAverage : PoolingMode::kMax;
    set(text, "global_pooling", p.global);
    return p;
  }
  if (type == "LRN") {
    LrnParams p;
    set(text, "local_size", p.size), set(text, "alpha", p.alpha), set(text, "beta", p.beta);
    set(text, "k", p.k);
    if (text_of(text, "norm_region") == "WITHIN_CHANNEL") p.region = LrnRegion::kWithinChannel;
    return p;
  }
  if (type == "ReLU") {
    ReluParams p;
    set(text, "negative_slope", p.slope);
    return p;
  }
  if (type == "Dropout") {
    DropoutParams p;
    set(text, "dropout_ratio", p.ratio);
    return p;
  }
  if (type == "Concat") {
    ConcatParams p;
    set(text, "axis", p.axis);
    return p;
  }
  if (type == "SoftmaxWithLoss") {
    auto p = labelled<SoftmaxLossParams>(text);
    set(text, "loss_weight", p.loss_weight), set(text, "normalize", p.normalize);
    return p;
  }
  if (type == "Accuracy") {
    auto p = labelled<AccuracyParams>(text);
    set(text, "top_k", p.top_k);
    return p;
  }
  if (type == "Split") return SplitParams{};
  if (type == "Softmax") return SoftmaxParams{};
  throw Error(str("unknown layer type in a layer case: '", type, "'"));
}

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
  OpProblem problem{.params = params_of(layer.prototxt),
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
