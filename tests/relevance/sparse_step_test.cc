// Steps that compute relevant outputs alone, against the double-precision reference.
#include <gtest/gtest.h>
#include <omp.h>

#include "engine/backend/registry.h"
#include "engine/core/buffer.h"
#include "engine/graph/net_json.h"
#include "engine/relevance/places.h"
#include "engine/relevance/rule_tables.h"
#include "engine/relevance/step.h"
#include "kernels/reference/convolution.h"
#include "kernels/reference/inner_product.h"
#include "kernels/reference/relevance_linear.h"
#include "tests/support/compare.h"
#include "tests/support/layouts.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

struct Layer {
  std::string name;  // why the shape exists
  std::variant<ConvolutionParams, InnerProductParams> params;
  Shape x;
  bool pixels = false;  // plain, of any sign
};
void PrintTo(const Layer& layer, std::ostream* out) { *out << layer.name; }

Shape weights_of(const Layer& layer) {
  return std::visit([&](const auto& p) { return weight_shape(p, layer.x); }, layer.params);
}
Shape outputs_of(const Layer& layer) {
  return std::visit([&](const auto& p) { return output_shape(p, layer.x); }, layer.params);
}
OpParams op_of(const Layer& layer) {
  return std::visit([](const auto& p) -> OpParams { return p; }, layer.params);
}
// Two axes are always plain.
Layout layout_of(const Shape& shape, Layout block) {
  return shape.rank() == 4 ? block : Layout::kPlain;
}

// A layer behind a ReLU, with relevance at some of the outputs that it lets through.
struct Walk {
  Tensor<float> x, w, b, y, r;
  Tensor<double> expected;

  Walk(const Layer& layer, const RelevanceRule& rule, double share)
      : x(with_zeros(random_tensor<float>(layer.x, 1))),
        w(random_tensor<float>(weights_of(layer), 2)),
        b(random_tensor<float>({outputs_of(layer).c()}, 3)),
        y(outputs_of(layer)),
        r(random_tensor<float>(y.shape, 4)),
        expected(layer.x) {
    if (!layer.pixels) std::ranges::transform(x.values, x.values.begin(), fabsf);
    const auto xd = in_double(x), wd = in_double(w), bd = in_double(b);
    Tensor<double> z(y.shape);
    if (const auto* p = std::get_if<ConvolutionParams>(&layer.params)) {
      reference::convolution(*p, xd.view(), wd.view(), bd.view(), z.view());
    } else {
      reference::inner_product(xd.view(), wd.view(), bd.view(), z.view());
    }
    const Tensor<float> draw = random_tensor<float>(y.shape, 5);  // in [-1, 1]
    for (std::size_t i = 0; i < z.values.size(); ++i) {
      y.values[i] = std::max(0.0F, static_cast<float>(z.values[i]));
      if (y.values[i] == 0 || static_cast<double>(draw.values[i]) > 2 * share - 1) r.values[i] = 0;
    }
    const auto rd = in_double(r);
    std::visit(
        [&](const auto& p) {
          reference::relevance_linear(p, rule, xd.view(), wd.view(), bd.view(), rd.view(),
                                      expected.view(), {});
        },
        layer.params);
  }
};

class SparseStep : public testing::TestWithParam<Layer> {
 protected:
  // Null where it does not apply.
  std::unique_ptr<RelevanceStep> make(const RelevanceRule& rule, Layout block,
                                      RelevantOutputs relevant) {
    const Layer& layer = GetParam();
    return make_sparse_step(
        {.device = "cpu",
         .kernels = kernels_.get(),
         .node = &node_,
         .values = {{nullptr, layer.x, layout_of(layer.x, layer.pixels ? Layout::kPlain : block)}},
         .top = {nullptr, outputs_of(layer), layout_of(outputs_of(layer), block)},
         .non_negative_input = !layer.pixels,
         .relevant = relevant},
        rule);
  }
  // Relevance at the input, plain. Memory begins as NaN.
  std::vector<float> run(RelevanceStep& step, const Walk& walk, Layout block, bool with_output,
                         std::vector<AbsorbedSums>& absorbed) {
    const Layout bottom = layout_of(walk.x.shape, GetParam().pixels ? Layout::kPlain : block);
    block = layout_of(walk.y.shape, block);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> x = pack(walk.x, bottom), y = pack(walk.y, block), r = pack(walk.r, block),
                       arrived(x.size(), nan);
    Buffer<float> scratch(step.scratch_bytes() / sizeof(float) + 1);
    std::fill_n(scratch.data(), scratch.size(), nan);
    RelevanceBinding binding{.values = {{x.data(), walk.x.shape, bottom}},
                             .top_values = {},
                             .tops = {{r.data(), walk.r.shape, block}},
                             .bottoms = {{arrived.data(), walk.x.shape, bottom}},
                             .scratch = reinterpret_cast<std::byte*>(scratch.data())};
    if (with_output) binding.top_values = {{y.data(), walk.y.shape, block}};
    step.bind(binding);
    step.set_params(walk.w.values, walk.b.values);
    absorbed.assign(static_cast<std::size_t>(walk.x.shape.n()), {});
    step.run({.absorbed = absorbed});  // the host's memory
    return unpack(arrived, walk.x.shape, bottom).values;
  }

  std::shared_ptr<Device> device_ = open_device("cpu");
  std::unique_ptr<RelevanceKernels> kernels_ = relevance_kernels("cpu", *device_);
  Node node_{"layer", op_of(GetParam()), {0}, {1}, std::vector<ParamInfo>(2)};
};

TEST_P(SparseStep, EqualsTheReference) {
  RelevanceRule group0 = alpha_beta_rule(0.5F);
  group0.group0_biases = true;
  int steps = 0;
  for (const RelevanceRule& rule :
       {epsilon_rule(0.1F), alpha_beta_rule(1), z_plus_rule(), excitation_rule(), group0}) {
    for (const double share : {0.0, 0.25, 1.0}) {
      const Walk walk(GetParam(), rule, share);
      for (const Layout block : {Layout::kBlocked8, Layout::kBlocked16}) {
        for (const auto relevant : {RelevantOutputs::kActive, RelevantOutputs::kWinners}) {
          const auto step = make(rule, block, relevant);
          if (!step) continue;
          ++steps;
          for (const bool with_output : {true, false}) {
            SCOPED_TRACE(str(step->describe(), " in ", layout_name(block), ", share ", share,
                             with_output ? ", with the output" : ""));
            std::vector<AbsorbedSums> absorbed;
            const std::vector<float> arrived = run(*step, walk, block, with_output, absorbed);
            EXPECT_TRUE(all_near(arrived, walk.expected.values,
                                 3e-5 * largest_magnitude(walk.expected.values)));
          }
        }
      }
    }
  }
  EXPECT_GE(steps, 24);
}

// What came in is what arrived and what was absorbed.
TEST_P(SparseStep, AccountsForAllRelevance) {
  const Walk walk(GetParam(), alpha_beta_rule(1), 0.5);
  const auto step = make(alpha_beta_rule(1), Layout::kBlocked16, RelevantOutputs::kWinners);
  ASSERT_TRUE(step);
  std::vector<AbsorbedSums> absorbed;
  const std::vector<float> arrived = run(*step, walk, Layout::kBlocked16, true, absorbed);
  const std::size_t in = walk.r.values.size() / absorbed.size(),
                    out = arrived.size() / absorbed.size();
  for (std::size_t n = 0; n < absorbed.size(); ++n) {
    double incoming = 0, rest = absorbed[n].bias + absorbed[n].epsilon, magnitude = 0;
    for (std::size_t i = n * in; i < (n + 1) * in; ++i)
      incoming += static_cast<double>(walk.r.values[i]);
    for (std::size_t i = n * out; i < (n + 1) * out; ++i) {
      rest += static_cast<double>(arrived[i]);
      magnitude += std::abs(static_cast<double>(arrived[i]));
    }
    EXPECT_NEAR(incoming, rest, 1e-5 * (magnitude + std::abs(absorbed[n].bias)));
  }
}

TEST_P(SparseStep, HasTheSameBitsWhateverTheThreads) {
  const Walk walk(GetParam(), alpha_beta_rule(1), 0.5);
  const auto step = make(alpha_beta_rule(1), Layout::kBlocked16, RelevantOutputs::kWinners);
  ASSERT_TRUE(step);
  std::vector<AbsorbedSums> absorbed;
  const std::vector<float> expected = run(*step, walk, Layout::kBlocked16, true, absorbed);
  const int before = omp_get_max_threads();
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(run(*step, walk, Layout::kBlocked16, true, absorbed), expected) << threads;
  }
  omp_set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SparseStep,
    testing::Values(
        Layer{"one_block",
              ConvolutionParams{.outputs = 16, .kernel = {3, 3}, .pad = {1, 1}},
              {2, 16, 6, 5}},
        Layer{"last_block_is_not_full",
              ConvolutionParams{.outputs = 21, .kernel = {1, 1}},
              {2, 32, 4, 7}},
        Layer{"nine_vectors_of_channels",
              ConvolutionParams{.outputs = 16, .kernel = {3, 2}},
              {1, 144, 5, 6}},
        Layer{"two_groups_as_in_caffenet",
              ConvolutionParams{.outputs = 64, .kernel = {5, 5}, .pad = {2, 2}, .groups = 2},
              {2, 32, 7, 7}},
        Layer{"steps_over_pixels",
              ConvolutionParams{.outputs = 32, .kernel = {3, 3}, .stride = {2, 3}, .pad = {1, 0}},
              {1, 16, 9, 11}},
        Layer{"pixels_not_read_by_any",
              ConvolutionParams{.outputs = 16, .kernel = {2, 2}, .stride = {3, 3}},
              {1, 16, 8, 7}},
        Layer{"photograph",
              ConvolutionParams{.outputs = 24, .kernel = {7, 7}, .stride = {4, 4}},
              {2, 3, 31, 27},
              true},
        Layer{"photograph_with_padding",
              ConvolutionParams{.outputs = 16, .kernel = {3, 3}, .pad = {1, 1}},
              {2, 3, 9, 8},
              true},
        Layer{"grey_and_narrower_than_a_vector",
              ConvolutionParams{.outputs = 16, .kernel = {3, 2}, .pad = {1, 1}},
              {3, 1, 8, 4},
              true},
        Layer{"product_behind_a_convolution", InnerProductParams{.outputs = 40}, {2, 32, 3, 5}},
        Layer{"product_of_rows", InnerProductParams{.outputs = 33}, {1, 70}}),
    [](const auto& parameter) { return parameter.param.name; });

// Made where it pays, and where it computes what the rule says.
TEST(SparseStepApplies, ToFewRelevantOutputsOfTheCpu) {
  const auto device = open_device("cpu");
  const auto kernels = relevance_kernels("cpu", *device);
  const Node node{"layer",
                  ConvolutionParams{.outputs = 16, .kernel = {3, 3}},
                  {0},
                  {1},
                  std::vector<ParamInfo>(2)};
  const RelevanceProblem problem{.device = "cpu",
                                 .kernels = kernels.get(),
                                 .node = &node,
                                 .values = {{nullptr, {1, 16, 5, 5}, Layout::kBlocked16}},
                                 .top = {nullptr, {1, 16, 3, 3}, Layout::kBlocked16},
                                 .non_negative_input = true,
                                 .relevant = RelevantOutputs::kWinners};
  const RelevanceRule rule = alpha_beta_rule(1);
  EXPECT_TRUE(make_sparse_step(problem, rule));
  EXPECT_FALSE(make_sparse_step(problem, gamma_rule(0.5F)));
  EXPECT_FALSE(make_sparse_step(problem, epsilon_relative_rule(0.25F)));
  EXPECT_FALSE(make_sparse_step(problem, gradient_rule()));
  EXPECT_FALSE(make_sparse_step(problem, flat_rule()));
  const auto changed = [&](auto&& change) {
    RelevanceProblem other = problem;
    change(other);
    return make_sparse_step(other, rule) != nullptr;
  };
  EXPECT_TRUE(changed([](auto& p) { p.relevant = RelevantOutputs::kActive; }));
  EXPECT_FALSE(changed([](auto& p) { p.relevant = RelevantOutputs::kAll; }));
  EXPECT_FALSE(changed([](auto& p) { p.non_negative_input = false; }));
  EXPECT_FALSE(changed([](auto& p) { p.device = "reference"; }));
  EXPECT_FALSE(changed([](auto& p) { p.values[0].layout = Layout::kChannelsLast; }));
}

TEST(RelevantOutputs, AreSaidByWhatStandsBehind) {
  const Json net = Json::parse(R"({"name": "n", "input": {"shape": [3, 20, 20]}, "layers": [
    {"name": "c1", "type": "convolution", "outputs": 4, "kernel": 3},
    {"name": "r1", "type": "relu"},
    {"name": "p1", "type": "pooling", "kernel": 3, "stride": 2},
    {"name": "c2", "type": "convolution", "outputs": 4, "kernel": 3},
    {"name": "r2", "type": "relu"},
    {"name": "c3", "type": "convolution", "outputs": 4, "kernel": 3},
    {"name": "p3", "type": "pooling", "kernel": 2, "stride": 2, "mode": "average"}]})");
  const Graph graph = build_graph(json_net(net, {}, "test net"));
  const auto of = [&](const std::string& layer, bool winners) {
    const Node& node = graph.nodes[static_cast<std::size_t>(graph.find_node(layer))];
    return relevant_outputs(graph, node.tops[0], winners);
  };
  EXPECT_EQ(of("c1", true), RelevantOutputs::kWinners);
  EXPECT_EQ(of("c1", false), RelevantOutputs::kActive);
  EXPECT_EQ(of("c2", true), RelevantOutputs::kActive);
  EXPECT_EQ(of("c3", true), RelevantOutputs::kAll);
}

}  // namespace
}  // namespace fovea
