// Backward of every reference operation against central differences of its forward, in double.
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "kernels/reference/concat.h"
#include "kernels/reference/convolution.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/inner_product.h"
#include "kernels/reference/lrn.h"
#include "kernels/reference/pooling.h"
#include "kernels/reference/relu.h"
#include "kernels/reference/softmax.h"
#include "kernels/reference/softmax_loss.h"
#include "kernels/reference/split.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace fovea {
namespace {

using Tensors = std::vector<Tensor<double>>;

double dot(const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    for (std::size_t i = 0; i < a[t].values.size(); ++i) sum += a[t].values[i] * b[t].values[i];
  }
  return sum;
}

// forward: inputs -> outputs; backward: (inputs, output gradients) -> input gradients.
using Forward = std::function<Tensors(const Tensors&)>;
using Backward = std::function<Tensors(const Tensors&, const Tensors&)>;

// The gradient of sum_j r_j y_j for a random r. A step of 1e-5 leaves a truncation error of
// about 1e-10 and a rounding error of about 1e-11 for values near 1.
void check_gradient(const Forward& forward, const Backward& backward, Tensors inputs) {
  constexpr double kStep = 1e-5;
  Tensors weights;
  for (const auto& y : forward(inputs)) {
    weights.push_back(random_tensor(y.shape, 99 + weights.size()));
  }
  const Tensors gradients = backward(inputs, weights);
  ASSERT_EQ(gradients.size(), inputs.size());
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    std::vector<double> differences;
    for (double& value : inputs[t].values) {
      const double kept = value;
      value = kept + kStep;
      const double above = dot(forward(inputs), weights);
      value = kept - kStep;
      const double below = dot(forward(inputs), weights);
      value = kept;
      differences.push_back((above - below) / (2 * kStep));
    }
    const double largest = largest_magnitude(differences);
    EXPECT_TRUE(all_near(gradients[t].values, differences, 1e-8 * std::max(1.0, largest)))
        << "gradient of input " << t;
    EXPECT_GT(largest, 1e-3) << "a check of zeros shows nothing";
  }
}

template <class Params>
struct Named {
  std::string name;  // why the shape exists
  Params params;
  Shape x;
};

template <class Params>
void PrintTo(const Named<Params>& named, std::ostream* out) {
  *out << named.name;
}

struct NameOf {
  template <class T>
  std::string operator()(const testing::TestParamInfo<T>& parameter) const {
    return parameter.param.name;
  }
};

class ConvolutionGradient : public testing::TestWithParam<Named<ConvolutionParams>> {};
TEST_P(ConvolutionGradient, EqualsDifferences) {
  const auto& [name, params, x] = GetParam();
  const auto forward = [&p = params](const Tensors& in) {
    Tensor<double> y(output_shape(p, in[0].shape));
    reference::convolution(p, in[0].view(), in[1].view(),
                           p.bias ? in[2].view() : reference::Input{}, y.view());
    return Tensors{y};
  };
  const auto backward = [&p = params](const Tensors& in, const Tensors& dy) {
    Tensors d;
    for (const auto& tensor : in) d.emplace_back(tensor.shape, 7.0);
    reference::convolution_gradient(p, in[0].view(), in[1].view(), dy[0].view(), d[0].view(),
                                    d[1].view(), p.bias ? d[2].view() : reference::Output{});
    return d;
  };
  Tensors inputs{random_tensor(x, 1), random_tensor(weight_shape(params, x), 2)};
  if (params.bias) inputs.push_back(random_tensor({params.outputs}, 3));
  check_gradient(forward, backward, inputs);
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvolutionGradient,
    testing::Values(
        Named<ConvolutionParams>{"one_of_everything", {.outputs = 1}, {1, 1, 1, 1}},
        Named<ConvolutionParams>{"padded_as_in_inception",
                                 {.outputs = 2, .kernel = {3, 3}, .pad = {1, 1}},
                                 {2, 3, 4, 3}},
        Named<ConvolutionParams>{"rows_left_over_by_the_stride",
                                 {.outputs = 2, .kernel = {3, 3}, .stride = {2, 2}},
                                 {1, 2, 6, 6}},
        Named<ConvolutionParams>{"stride_skips_whole_rows",
                                 {.outputs = 2, .kernel = {1, 1}, .stride = {3, 2}},
                                 {1, 2, 4, 5}},
        Named<ConvolutionParams>{"two_groups_as_in_caffenet",
                                 {.outputs = 4, .kernel = {3, 3}, .pad = {1, 1}, .groups = 2},
                                 {1, 4, 3, 3}},
        Named<ConvolutionParams>{
            "rows_and_columns_differ",
            {.outputs = 2, .kernel = {2, 3}, .stride = {1, 2}, .pad = {1, 0}, .bias = false},
            {1, 2, 4, 5}},
        Named<ConvolutionParams>{"window_wholly_in_the_padding",
                                 {.outputs = 2, .kernel = {2, 2}, .pad = {3, 3}},
                                 {1, 1, 2, 2}}),
    NameOf());

class InnerProductGradient : public testing::TestWithParam<Named<InnerProductParams>> {};
TEST_P(InnerProductGradient, EqualsDifferences) {
  const auto& [name, params, x] = GetParam();
  const auto forward = [&p = params](const Tensors& in) {
    Tensor<double> y(output_shape(p, in[0].shape));
    reference::inner_product(in[0].view(), in[1].view(), p.bias ? in[2].view() : reference::Input{},
                             y.view());
    return Tensors{y};
  };
  const auto backward = [&p = params](const Tensors& in, const Tensors& dy) {
    Tensors d;
    for (const auto& tensor : in) d.emplace_back(tensor.shape, 7.0);
    reference::inner_product_gradient(in[0].view(), in[1].view(), dy[0].view(), d[0].view(),
                                      d[1].view(), p.bias ? d[2].view() : reference::Output{});
    return d;
  };
  Tensors inputs{random_tensor(x, 1), random_tensor(weight_shape(params, x), 2)};
  if (params.bias) inputs.push_back(random_tensor({params.outputs}, 3));
  check_gradient(forward, backward, inputs);
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, InnerProductGradient,
    testing::Values(Named<InnerProductParams>{"behind_a_convolution", {.outputs = 3}, {2, 2, 3, 2}},
                    Named<InnerProductParams>{
                        "behind_an_inner_product", {.outputs = 2, .bias = false}, {3, 4}},
                    Named<InnerProductParams>{"one_by_one", {.outputs = 1}, {1, 1}}),
    NameOf());

class PoolingGradient : public testing::TestWithParam<Named<PoolingParams>> {};
TEST_P(PoolingGradient, EqualsDifferences) {
  const Shape x = GetParam().x;
  for (const PoolingMode mode : {PoolingMode::kMax, PoolingMode::kAverage}) {
    SCOPED_TRACE(enum_name(mode));
    PoolingParams p = GetParam().params;
    p.mode = mode;
    std::vector<std::int64_t> argmax(static_cast<std::size_t>(output_shape(p, x).count()));
    const auto forward = [&](const Tensors& in) {
      Tensor<double> y(output_shape(p, x));
      reference::pooling(p, in[0].view(), y.view(), argmax);
      return Tensors{y};
    };
    const auto backward = [&](const Tensors&, const Tensors& dy) {
      Tensors dx{Tensor<double>(x, 7.0)};
      reference::pooling_gradient(p, dy[0].view(), argmax, dx[0].view());
      return dx;
    };
    check_gradient(forward, backward, {separated_tensor(x, 5)});
  }
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, PoolingGradient,
    testing::Values(Named<PoolingParams>{"overhanging_last_window",
                                         {.kernel = {3, 3}, .stride = {2, 2}},
                                         {1, 2, 6, 4}},
                    Named<PoolingParams>{
                        "overlapping_and_padded", {.kernel = {3, 3}, .pad = {1, 1}}, {1, 2, 3, 4}},
                    Named<PoolingParams>{"window_dropped_because_it_starts_in_the_padding",
                                         {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}},
                                         {1, 1, 6, 6}},
                    Named<PoolingParams>{"rows_and_columns_differ",
                                         {.kernel = {2, 3}, .stride = {2, 1}, .pad = {1, 0}},
                                         {2, 1, 5, 4}},
                    Named<PoolingParams>{"stride_larger_than_the_window",
                                         {.kernel = {1, 2}, .stride = {2, 3}},
                                         {1, 1, 5, 5}},
                    Named<PoolingParams>{"whole_image", {.global = true}, {2, 2, 3, 5}}),
    NameOf());

TEST(ReferencePooling, GivesAWindowOutsideTheImageNoGradient) {
  // Rows 0, 3, 6 of a 5-row image: Caffe's sizes add a third window that covers nothing.
  const PoolingParams p{.kernel = {1, 1}, .stride = {3, 1}};
  const Tensor<double> x(Shape{1, 1, 5, 1}, 2.0), dy(Shape{1, 1, 3, 1}, 1.0);
  ASSERT_EQ(output_shape(p, x.shape), dy.shape);
  Tensor<double> y(dy.shape), dx(x.shape);
  std::vector<std::int64_t> argmax(3);
  reference::pooling(p, x.view(), y.view(), argmax);
  reference::pooling_gradient(p, dy.view(), argmax, dx.view());
  EXPECT_EQ(argmax, (std::vector<std::int64_t>{0, 3, -1}));
  EXPECT_EQ(dx.values, (std::vector<double>{1, 0, 0, 1, 0}));
}

class LrnGradient : public testing::TestWithParam<Named<LrnParams>> {};
TEST_P(LrnGradient, EqualsDifferences) {
  const auto& [name, params, x] = GetParam();
  check_gradient(
      [&p = params](const Tensors& in) {
        Tensor<double> y(in[0].shape);
        reference::lrn(p, in[0].view(), y.view());
        return Tensors{y};
      },
      [&p = params](const Tensors& in, const Tensors& dy) {
        Tensors dx{Tensor<double>(in[0].shape, 7.0)};
        reference::lrn_gradient(p, in[0].view(), dy[0].view(), dx[0].view());
        return dx;
      },
      {random_tensor(x, 1)});
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, LrnGradient,
    testing::Values(
        Named<LrnParams>{"across", {.size = 3, .alpha = 2}, {2, 5, 2, 1}},
        Named<LrnParams>{
            "across_with_k", {.size = 5, .alpha = 1, .beta = 0.5F, .k = 2}, {1, 6, 1, 2}},
        Named<LrnParams>{
            "across_fewer_channels_than_the_window", {.size = 7, .alpha = 3}, {1, 2, 2, 2}},
        Named<LrnParams>{"across_one_channel", {.size = 5, .alpha = 1}, {1, 1, 1, 3}},
        Named<LrnParams>{
            "within", {.size = 3, .alpha = 2, .region = LrnRegion::kWithinChannel}, {1, 2, 4, 3}},
        Named<LrnParams>{"within_window_larger_than_the_image",
                         {.size = 5, .alpha = 2, .region = LrnRegion::kWithinChannel},
                         {1, 1, 2, 2}}),
    NameOf());

TEST(ReferenceGradient, OfReluEqualsDifferences) {
  for (const double slope : {0.0, 0.25}) {
    check_gradient(
        [&](const Tensors& in) {
          Tensor<double> y(in[0].shape);
          reference::relu(slope, in[0].view(), y.view());
          return Tensors{y};
        },
        [&](const Tensors& in, const Tensors& dy) {
          Tensors dx{Tensor<double>(in[0].shape, 7.0)};
          reference::relu_gradient(slope, in[0].view(), dy[0].view(), dx[0].view());
          return dx;
        },
        {separated_tensor({2, 3, 2, 2}, 1)});
  }
}

TEST(ReferenceGradient, OfDropoutEqualsDifferences) {
  const DropoutParams p{.ratio = 0.4F};
  const RandomKey key = reference::dropout_key(1, 2, 3);
  check_gradient(
      [&](const Tensors& in) {
        Tensor<double> y(in[0].shape);
        reference::dropout(p, key, in[0].view(), y.view());
        return Tensors{y};
      },
      [&](const Tensors& in, const Tensors& dy) {
        Tensors dx{Tensor<double>(in[0].shape, 7.0)};
        reference::dropout(p, key, dy[0].view(), dx[0].view());
        return dx;
      },
      {random_tensor({2, 9}, 1)});
}

TEST(ReferenceGradient, OfConcatEqualsDifferences) {
  for (const int axis : {0, 1, 2}) {
    Shape first{2, 3, 2, 2}, second = first, whole = first;
    second[axis] = 1;
    whole[axis] += 1;
    check_gradient(
        [&](const Tensors& in) {
          Tensor<double> y(whole);
          const std::array<reference::Input, 2> xs{in[0].view(), in[1].view()};
          reference::concat(axis, xs, y.view());
          return Tensors{y};
        },
        [&](const Tensors&, const Tensors& dy) {
          Tensors dx{Tensor<double>(first, 7.0), Tensor<double>(second, 7.0)};
          const std::array<reference::Output, 2> dxs{dx[0].view(), dx[1].view()};
          reference::concat_gradient(axis, dy[0].view(), dxs);
          return dx;
        },
        {random_tensor(first, 1), random_tensor(second, 2)});
  }
}

TEST(ReferenceGradient, OfSplitEqualsDifferences) {
  const Shape shape{2, 3};
  check_gradient(
      [&](const Tensors& in) {
        Tensors y(3, Tensor<double>(shape));
        const std::array<reference::Output, 3> ys{y[0].view(), y[1].view(), y[2].view()};
        reference::split(in[0].view(), ys);
        return y;
      },
      [&](const Tensors&, const Tensors& dy) {
        Tensors dx{Tensor<double>(shape, 7.0)};
        const std::array<reference::Input, 3> dys{dy[0].view(), dy[1].view(), dy[2].view()};
        reference::split_gradient(dys, dx[0].view());
        return dx;
      },
      {random_tensor(shape, 1)});
}

TEST(ReferenceGradient, OfSoftmaxEqualsDifferences) {
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 3, 2, 2}}) {
    check_gradient(
        [&](const Tensors& in) {
          Tensor<double> y(shape);
          reference::softmax(in[0].view(), y.view());
          return Tensors{y};
        },
        [&](const Tensors& in, const Tensors& dy) {
          Tensor<double> y(shape), dx(shape, 7.0);
          reference::softmax(in[0].view(), y.view());
          reference::softmax_gradient(y.view(), dy[0].view(), dx.view());
          return Tensors{dx};
        },
        {random_tensor(shape, 1)});
  }
}

class SoftmaxLossGradient : public testing::TestWithParam<Named<SoftmaxLossParams>> {};
TEST_P(SoftmaxLossGradient, EqualsDifferences) {
  const auto& [name, params, shape] = GetParam();
  Tensor<double> labels({shape.n(), 1, shape.h(), shape.w()});
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    labels.values[i] = static_cast<double>(i * 2 % static_cast<std::size_t>(shape.c()));
  }
  labels.values[1] = params.has_ignore_label ? params.ignore_label : 0;
  const auto forward = [&p = params, &labels](const Tensors& in) {
    return Tensors{
        Tensor<double>(Shape{}, reference::softmax_loss(p, in[0].view(), labels.view()))};
  };
  // backward starts from loss_weight, so the differences' weight of the loss is divided in.
  const auto backward = [&p = params, &labels](const Tensors& in, const Tensors& dy) {
    Tensor<double> dx(in[0].shape, 7.0);
    reference::softmax_loss_gradient(p, in[0].view(), labels.view(), dx.view());
    for (double& value : dx.values) value *= dy[0].values[0] / p.loss_weight;
    return Tensors{dx};
  };
  check_gradient(forward, backward, {random_tensor(shape, 1)});
}
INSTANTIATE_TEST_SUITE_P(
    Variants, SoftmaxLossGradient,
    testing::Values(
        Named<SoftmaxLossParams>{"plain", {}, {3, 4}},
        Named<SoftmaxLossParams>{"auxiliary_head_weight", {.loss_weight = 0.3F}, {3, 4}},
        Named<SoftmaxLossParams>{
            "ignored_label", {.has_ignore_label = true, .ignore_label = 255}, {4, 3}},
        Named<SoftmaxLossParams>{"ignored_label_divided_by_the_batch",
                                 {.has_ignore_label = true, .ignore_label = -1, .normalize = false},
                                 {4, 3}},
        Named<SoftmaxLossParams>{"one_label_per_pixel", {}, {2, 3, 2, 2}},
        Named<SoftmaxLossParams>{"class_weights", {.class_weights = {0.5F, 3, 0, 2}}, {4, 4}},
        Named<SoftmaxLossParams>{"class_weights_divided_by_the_batch",
                                 {.normalize = false, .class_weights = {0.5F, 3, 0, 2}},
                                 {4, 4}},
        Named<SoftmaxLossParams>{"label_smoothing", {.label_smoothing = 0.2F}, {3, 4}},
        Named<SoftmaxLossParams>{"ordinal", {.ordinal_sigma = 0.7F}, {3, 5}},
        Named<SoftmaxLossParams>{"everything_per_pixel",
                                 {.loss_weight = 0.3F,
                                  .has_ignore_label = true,
                                  .ignore_label = 255,
                                  .class_weights = {1, 2, 0.25F},
                                  .label_smoothing = 0.1F,
                                  .ordinal_sigma = 1.5F},
                                 {2, 3, 2, 2}}),
    NameOf());

TEST(ReferenceLoss, RefusesALabelOutOfRange) {
  const Tensor<double> x(Shape{2, 3});
  for (const double wrong : {-1.0, 3.0}) {
    const Tensor<double> labels(Shape{2}, {0, wrong});
    EXPECT_THROW((void)reference::softmax_loss({}, x.view(), labels.view()), Error);
  }
}

TEST(ReferenceLoss, IsZeroWithoutACountedLabel) {
  const SoftmaxLossParams p{.has_ignore_label = true, .ignore_label = 9};
  const Tensor<double> x(Shape{2, 3}), labels(Shape{2}, 9.0);
  Tensor<double> dx(x.shape, 7.0);
  reference::softmax_loss_gradient(p, x.view(), labels.view(), dx.view());
  EXPECT_EQ(reference::softmax_loss(p, x.view(), labels.view()), 0);
  EXPECT_EQ(dx.values, std::vector<double>(6, 0.0));
}

TEST(ReferenceDropout, KeepsAboutTheShareItShouldAndItsMean) {
  const Tensor<double> x(Shape{1, 10000}, 1.0);
  Tensor<double> y(x.shape);
  reference::dropout({.ratio = 0.3F}, reference::dropout_key(1, 0, 0), x.view(), y.view());
  const double sum = std::accumulate(y.values.begin(), y.values.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(y.values, 0.0)) / 10000, 0.3, 0.02);
  EXPECT_NEAR(sum / 10000, 1.0, 0.03);
}

}  // namespace
}  // namespace fovea
