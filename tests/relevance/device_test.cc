// Relevance in float on every device and in every layout against the double-precision reference.
#include <gtest/gtest.h>

#include "engine/backend/registry.h"
#include "engine/backend/transfer.h"
#include "engine/relevance/rule_tables.h"
#include "engine/relevance/step.h"
#include "engine/relevance/walk_report.h"
#include "kernels/reference/relevance_linear.h"
#include "kernels/reference/relevance_other.h"
#include "tests/support/compare.h"
#include "tests/support/layouts.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

constexpr std::array kLayouts{Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8,
                              Layout::kBlocked16};

// A device with its relevance kernels.
struct Place {
  std::string name;
  std::shared_ptr<Device> memory;
  std::unique_ptr<RelevanceKernels> kernels;
  explicit Place(std::string device)
      : name(std::move(device)),
        memory(open_device(name)),
        kernels(relevance_kernels(name, *memory)) {}

  // Layouts that its tensors may have.
  [[nodiscard]] std::vector<Layout> layouts() const {
    if (memory->host_memory()) return {kLayouts.begin(), kLayouts.end()};
    return {Layout::kPlain, Layout::kChannelsLast};
  }
};

// A float tensor in some layout in a device's memory, starting as NaN or as `plain`.
class Stored {
 public:
  Stored(const Place& place, const Shape& shape, Layout layout)
      : device_(*place.memory),
        shape_(shape),
        layout_(shape.rank() == 4 ? layout : Layout::kPlain),
        memory_(device_, static_cast<std::size_t>(storage_count(shape_, layout_))) {
    set(std::vector<float>(memory_.size(), std::numeric_limits<float>::quiet_NaN()));
  }
  Stored(const Place& place, const Tensor<float>& plain, Layout layout)
      : Stored(place, plain.shape, layout) {
    set(pack(plain, layout_));
  }
  [[nodiscard]] OpTensor tensor() const { return {memory_.data(), shape_, layout_}; }
  // Near the expected elements, zero in the channel padding. 400 products added one behind the
  // other and divided by little more than epsilon = 0.1 err by some 1e-5 of the largest.
  void expect(const Tensor<double>& expected) const {
    std::vector<float> all(memory_.size());
    device_.download(all.data(), memory_.data(), memory_.bytes());
    EXPECT_TRUE(all_near(unpack(all, shape_, layout_).values, expected.values,
                         3e-5 * largest_magnitude(expected.values)));
    for (const float value : padding(all, shape_, layout_)) ASSERT_EQ(value, 0.0F) << "padding";
  }

 private:
  void set(const std::vector<float>& values) {
    device_.upload(memory_.data(), values.data(), memory_.bytes());
  }

  Device& device_;
  Shape shape_;
  Layout layout_;
  DeviceBuffer<float> memory_;
};

struct NamedLayer {
  std::string name;  // why the shape exists
  OpParams op;
  Shape x;
};

void PrintTo(const NamedLayer& layer, std::ostream* out) { *out << layer.name; }

struct LinearCase {
  Tensor<float> x, w, b, r;
  InputBounds bounds;
  Tensor<double> expected;
};

LinearCase make_case(const NamedLayer& layer, const RelevanceRule& rule, bool non_negative) {
  return std::visit(
      [&](const auto& p) -> LinearCase {
        if constexpr (requires { weight_shape(p, layer.x); }) {
          LinearCase c{with_zeros(random_tensor<float>(layer.x, 1)),
                       random_tensor<float>(weight_shape(p, layer.x), 2),
                       random_tensor<float>({p.outputs}, 3),
                       random_tensor<float>(output_shape(p, layer.x), 4),
                       {random_tensor<float>(Shape{1, layer.x.count_from(1)}, 5), {}},
                       Tensor<double>(layer.x)};
          for (float& l : c.bounds.low.values) l = -100 * std::abs(l);
          c.bounds.high = c.bounds.low;
          for (float& h : c.bounds.high.values) h += 255;
          if (non_negative) std::ranges::transform(c.x.values, c.x.values.begin(), fabsf);
          const auto x = in_double(c.x), w = in_double(c.w), b = in_double(c.b), r = in_double(c.r);
          auto low = in_double(c.bounds.low), high = in_double(c.bounds.high);
          low.shape = layer.x;
          low.shape[0] = 1;
          high.shape = low.shape;
          reference::relevance_linear(p, rule, x.view(), w.view(), b.view(), r.view(),
                                      c.expected.view(), {low.view(), high.view()});
          return c;
        } else {
          throw Error("a linear layer expected");
        }
      },
      layer.op);
}

// A step with scratch memory behind it.
struct BoundStep {
  std::unique_ptr<RelevanceStep> step;
  DeviceBuffer<std::byte> scratch;

  BoundStep(const Place& place, std::unique_ptr<RelevanceStep> s, RelevanceBinding binding)
      : step(std::move(s)), scratch(*place.memory, step->scratch_bytes()) {
    binding.scratch = scratch.data();
    step->bind(binding);
  }
};

// Where a rule divides by its sum and does not gate, what came in is what arrived and what was
// absorbed, for every image, up to rounding of the largest parts.
void expect_accounted(const RelevanceRule& rule, const LinearCase& c,
                      std::span<const AbsorbedSums> absorbed) {
  if (rule.stabilizer == Stabilizer::kUndivided || rule.gate != Gate::kNone) return;
  double coefficients = 0;
  for (int group = 0; group < rule.groups; ++group)
    coefficients += static_cast<double>(rule.coefficient[static_cast<std::size_t>(group)]);
  const std::size_t images = absorbed.size(), in = c.r.values.size() / images,
                    out = c.expected.values.size() / images;
  for (std::size_t n = 0; n < images; ++n) {
    double incoming = 0, arrived = 0, magnitude = 0;
    for (std::size_t i = 0; i < in; ++i) incoming += static_cast<double>(c.r.values[n * in + i]);
    for (std::size_t i = 0; i < out; ++i) {
      arrived += c.expected.values[n * out + i];
      magnitude += std::abs(c.expected.values[n * out + i]);
    }
    const AbsorbedSums& a = absorbed[n];
    magnitude += std::abs(a.bias) + std::abs(a.epsilon) + std::abs(a.padding) + std::abs(incoming);
    EXPECT_NEAR(coefficients * incoming, arrived + a.bias + a.epsilon + a.padding, 1e-5 * magnitude)
        << rule.name << ", image " << n;
  }
}

class LinearRelevance : public testing::TestWithParam<std::tuple<NamedLayer, std::string>> {};

TEST_P(LinearRelevance, EqualsTheReference) {
  const auto& [layer, device] = GetParam();
  const Place place(device);
  RelevanceRule group0 = alpha_beta_rule(0.5F);
  group0.group0_biases = true;
  for (const RelevanceRule& rule :
       {epsilon_rule(0.1F), epsilon_relative_rule(0.25F), gamma_rule(0.5F), alpha_beta_rule(1),
        z_plus_rule(), group0, z_box_rule(), z_box_toolbox_rule(), w_square_rule(),
        w_square_toolbox_rule(), flat_rule(), flat_toolbox_rule(9), excitation_rule(),
        gradient_rule()}) {
    for (const bool non_negative : {false, true}) {
      const LinearCase c = make_case(layer, rule, non_negative);
      const Node node{"layer", layer.op, {0}, {1}, std::vector<ParamInfo>(2)};
      for (const Layout layout : place.layouts()) {
        if (layout != Layout::kPlain && layer.x.rank() != 4) continue;
        SCOPED_TRACE(
            str(rule.name, non_negative ? " of x >= 0 in " : " of any x in ", layout_name(layout)));
        const Stored x(place, c.x, layout), r(place, c.r, layout), bottom(place, c.x.shape, layout);
        const BoundStep bound(place,
                              make_linear_step({.device = device,
                                                .kernels = place.kernels.get(),
                                                .node = &node,
                                                .values = {x.tensor()},
                                                .top = r.tensor(),
                                                .non_negative_input = non_negative,
                                                .bounds = &c.bounds},
                                               rule),
                              {.values = {x.tensor()},
                               .top_values = {},
                               .tops = {r.tensor()},
                               .bottoms = {bottom.tensor()}});
        bound.step->set_params(c.w.values, c.b.values);
        WalkReport report(*place.memory, static_cast<std::size_t>(c.x.shape.n()), 1, 0);
        report.clear();
        bound.step->run({.absorbed = report.absorbed(0)});
        report.read();
        bottom.expect(c.expected);
        expect_accounted(rule, c, report.read_absorbed(0));
      }
    }
  }
}

std::vector<std::string> devices() {
  const auto known = known_devices();
  return {known.begin(), known.end()};
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LinearRelevance,
    testing::Combine(
        testing::Values(
            NamedLayer{"channels_fill_no_block",
                       ConvolutionParams{.outputs = 5, .kernel = {3, 3}, .pad = {1, 1}},
                       {2, 3, 5, 4}},
            NamedLayer{"channels_fill_blocks",
                       ConvolutionParams{.outputs = 32, .kernel = {3, 3}, .pad = {1, 1}},
                       {1, 16, 6, 6}},
            NamedLayer{
                "two_groups_as_in_caffenet",
                ConvolutionParams{.outputs = 32, .kernel = {5, 5}, .pad = {2, 2}, .groups = 2},
                {1, 32, 5, 5}},
            NamedLayer{"first_layer_stride",
                       ConvolutionParams{.outputs = 16, .kernel = {7, 7}, .stride = {4, 4}},
                       {2, 3, 15, 19}},
            NamedLayer{"inner_product_behind_a_convolution",
                       InnerProductParams{.outputs = 6},
                       {2, 20, 3, 2}},
            NamedLayer{"inner_product_behind_another", InnerProductParams{.outputs = 7}, {3, 11}}),
        testing::ValuesIn(devices())),
    [](const auto& parameter) {
      return std::get<0>(parameter.param).name + "_" + std::get<1>(parameter.param);
    });

class KernelRelevance : public testing::TestWithParam<std::string> {
 protected:
  Place place_{GetParam()};
};

TEST_P(KernelRelevance, OfAveragePoolingEqualsTheReferenceInEveryLayout) {
  const PoolingParams overlapping{.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}};
  const PoolingParams whole{.mode = PoolingMode::kAverage, .global = true};
  const Shape shape{2, 19, 6, 5};  // 19: no multiple of a block
  for (const auto& [params, rule] : {std::pair{overlapping, AveragePoolingRule::kToolbox},
                                     {overlapping, AveragePoolingRule::kProportional},
                                     {whole, AveragePoolingRule::kToolbox}}) {
    Tensor<float> x = random_tensor<float>(shape, 1);
    std::ranges::transform(x.values, x.values.begin(), fabsf);
    std::fill_n(x.values.begin(), 30, 0.0F);  // a channel without activation
    const Tensor<float> r = random_tensor<float>(output_shape(params, shape), 2);
    Tensor<double> expected(shape);
    reference::relevance_average_pooling(params, rule, in_double(x).view(), in_double(r).view(),
                                         expected.view());
    for (const Layout layout : place_.layouts()) {
      SCOPED_TRACE(layout_name(layout));
      const Stored value(place_, x, layout), top(place_, r, layout), bottom(place_, shape, layout);
      place_.kernels->average_pooling(params, rule, value.tensor(), top.tensor(), bottom.tensor());
      bottom.expect(expected);
    }
  }
}

TEST_P(KernelRelevance, OfLrnEqualsTheReferenceInEveryLayout) {
  const Shape shape{2, 19, 9, 11};  // 99 positions: a full and a partial tile
  const Tensor<float> x = with_zeros(random_tensor<float>(shape, 1));
  const Tensor<float> r = random_tensor<float>(shape, 2);
  for (const auto& [rule, beta] : {std::pair{LrnRule::kToolbox, 0.75F},
                                   {LrnRule::kTaylor, 0.75F},
                                   {LrnRule::kToolbox, 0.5F},
                                   {LrnRule::kTaylor, 1.0F}}) {
    const LrnParams params{.size = 5, .alpha = 2, .beta = beta, .k = 1};
    Tensor<double> expected(shape);
    reference::relevance_lrn(params, rule, in_double(x).view(), in_double(r).view(),
                             expected.view());
    for (const Layout layout : place_.layouts()) {
      SCOPED_TRACE(str(enum_name(rule), " in ", layout_name(layout)));
      const Stored value(place_, x, layout), top(place_, r, layout), bottom(place_, shape, layout);
      place_.kernels->lrn(params, rule, value.tensor(), top.tensor(), bottom.tensor());
      bottom.expect(expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, KernelRelevance, testing::ValuesIn(devices()),
                         [](const auto& parameter) { return parameter.param; });

// One step on vectors of one image, plain.
std::vector<float> relevance_of(const Place& place, RelevanceStep& step,
                                const std::vector<float>& x, const std::vector<float>& r) {
  const auto plain = [](const std::vector<float>& v) {
    return Tensor<float>(Shape{1, std::ssize(v)}, v);
  };
  const Stored value(place, plain(x), Layout::kPlain), top(place, plain(r), Layout::kPlain),
      bottom(place, Shape{1, std::ssize(x)}, Layout::kPlain);
  step.bind({.values = {value.tensor()},
             .top_values = {},
             .tops = {top.tensor()},
             .bottoms = {bottom.tensor()}});
  WalkReport report(*place.memory, 1, 1, 0);
  report.clear();
  step.run({.absorbed = report.absorbed(0)});
  return download_plain(*place.memory, bottom.tensor()).values;
}

TEST_P(KernelRelevance, OfDistributedBiasGivesEveryTapItsPart) {
  const Node node{"layer", InnerProductParams{.outputs = 1}, {0}, {1}, std::vector<ParamInfo>(2)};
  const RelevanceProblem problem{.device = place_.name,
                                 .kernels = place_.kernels.get(),
                                 .node = &node,
                                 .values = {{nullptr, Shape{1, 2}, Layout::kPlain}},
                                 .top = {nullptr, Shape{1, 1}, Layout::kPlain}};
  const std::vector<float> weight{2, 1}, bias{1};  // t = (2 + 0.5, -2 + 0.5)
  const auto alpha_beta = make_distributed_step(problem, 0, 1);
  alpha_beta->set_params(weight, bias);
  EXPECT_EQ(relevance_of(place_, *alpha_beta, {1, -2}, {3}), (std::vector<float>{6, -3}));
  const auto epsilon = make_distributed_step(problem, 0.5F, -1);
  epsilon->set_params(weight, bias);
  EXPECT_EQ(relevance_of(place_, *epsilon, {1, -2}, {3}), (std::vector<float>{5, -3}));
}

TEST_P(KernelRelevance, OfReluByEveryRule) {
  const Node node{"relu", ReluParams{}, {0}, {1}, {}};
  const Shape shape{1, 3};
  const auto by = [&](ReluRule rule) {
    const RelevanceProblem problem{.device = place_.name,
                                   .kernels = place_.kernels.get(),
                                   .node = &node,
                                   .values = {{nullptr, shape, Layout::kPlain}},
                                   .top = {nullptr, shape, Layout::kPlain}};
    return relevance_of(place_, *make_other_step(problem, {.relu = rule}), {1, -1, 2}, {3, 4, -5});
  };
  EXPECT_EQ(by(ReluRule::kPass), (std::vector<float>{3, 4, -5}));
  EXPECT_EQ(by(ReluRule::kPositive), (std::vector<float>{3, 4, 0}));
  EXPECT_EQ(by(ReluRule::kGuided), (std::vector<float>{3, 0, 0}));
  EXPECT_EQ(by(ReluRule::kGradient), (std::vector<float>{3, 0, -5}));
}

TEST_P(KernelRelevance, OfSoftmaxIsItsProbabilities) {
  const Node node{"prob", SoftmaxParams{}, {0}, {1}, {}};
  const OpTensor pair{nullptr, Shape{1, 2}, Layout::kPlain};
  const auto step = make_other_step({.device = place_.name,
                                     .kernels = place_.kernels.get(),
                                     .node = &node,
                                     .values = {pair},
                                     .top = pair},
                                    {});
  const std::vector<float> r = relevance_of(place_, *step, {0, std::log(3.0F)}, {9, 9});
  EXPECT_TRUE(all_near(r, std::vector<float>{0.25F, 0.75F}, 1e-6));
}

}  // namespace
}  // namespace fovea
