#include "engine/check/bounds.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/backend/host_device.h"

namespace fovea {
namespace {

constexpr double kUnit = 0x1p-24;

using Tensors = std::vector<Tensor<float>>;

Tensor<float> magnitudes(Tensor<float> t) {
  for (float& value : t.values) value = std::abs(value);
  return t;
}
Tensors magnitudes(Tensors tensors) {
  for (Tensor<float>& t : tensors) t = magnitudes(std::move(t));
  return tensors;
}
Tensor<float> scaled(Tensor<float> t, double factor) {
  for (float& value : t.values) value = static_cast<float>(static_cast<double>(value) * factor);
  return t;
}
Tensors scaled(Tensors tensors, double factor) {
  for (Tensor<float>& t : tensors) t = scaled(std::move(t), factor);
  return tensors;
}
Tensors zeros_like(const Tensors& tensors) { return scaled(tensors, 0); }

// Every value of a (..., H, W) tensor as the largest of those at most `reach` away along both axes.
Tensor<float> largest_nearby(const Tensor<float>& t, std::int64_t reach) {
  const std::int64_t w = t.shape[3], h = t.shape[2];
  const auto along = [&](const Tensor<float>& from, std::int64_t step, std::int64_t extent) {
    Tensor<float> to = from;
    for (std::int64_t i = 0; i < std::ssize(from.values); ++i) {
      const std::int64_t at = i / step % extent;
      for (std::int64_t k = std::max<std::int64_t>(-reach, -at);
           k <= std::min(reach, extent - 1 - at); ++k) {
        float& value = to.values[static_cast<std::size_t>(i)];
        value = std::max(value, from.values[static_cast<std::size_t>(i + k * step)]);
      }
    }
    return to;
  };
  return along(along(t, 1, w), w, h);
}

struct Bounder {
  const OpProblem& problem;
  const LayerInputs& inputs;
  const LayerOutputs& expected;
  const std::shared_ptr<Device> host = open_host_device();

  [[nodiscard]] bool backward() const { return !expected.bottom_grads.empty(); }
  // Without noise where all that is added up is zero.
  [[nodiscard]] LayerOutputs on_cpu(const LayerInputs& of) const {
    OpProblem exact = problem;
    exact.exact_zeros = true;
    return run_layer("cpu", *host, exact, of, backward());
  }
  // The layer on the magnitudes of everything, or of the gradients alone.
  [[nodiscard]] LayerOutputs of_magnitudes() const {
    return on_cpu(
        {magnitudes(inputs.bottoms), magnitudes(inputs.params), magnitudes(inputs.top_grads)});
  }
  [[nodiscard]] LayerOutputs of_gradient_magnitudes() const {
    return on_cpu({inputs.bottoms, inputs.params, magnitudes(inputs.top_grads)});
  }
  // Gradients are copies or products with one factor of each gradient from above.
  [[nodiscard]] LayerBounds linear_in_gradient(Tensors tops, double terms) const {
    LayerBounds bounds{.tops = std::move(tops), .bottom_grads = {}, .param_grads = {}};
    if (backward())
      bounds.bottom_grads = scaled(of_gradient_magnitudes().bottom_grads, sum_bound(terms));
    return bounds;
  }

  // K per pass: products of an output, of an input, of a weight.
  [[nodiscard]] LayerBounds products(double forward, double data, double weights) const {
    LayerOutputs s = of_magnitudes();
    return {.tops = scaled(std::move(s.tops), sum_bound(forward)),
            .bottom_grads = scaled(std::move(s.bottom_grads), sum_bound(data)),
            .param_grads = scaled(std::move(s.param_grads), sum_bound(weights))};
  }
  LayerBounds operator()(const ConvolutionParams& p) const {
    const Shape &x = problem.bottoms[0], &y = problem.tops[0];
    const double taps = static_cast<double>(p.kernel[0] * p.kernel[1]),
                 groups = static_cast<double>(p.groups);
    LayerBounds bounds = products(taps * static_cast<double>(x.c()) / groups,
                                  taps * static_cast<double>(y.c()) / groups,
                                  static_cast<double>(y.count() / y.c()));
    if (p.stride == Extent2{1, 1} && taps > 1) spread_over_tiles(bounds);
    return bounds;
  }
  // Transforms mix what a tile of 4 x 4 outputs is made of. A filter's gradient meets inputs of its
  // tiles that none of its taps reads, too.
  void spread_over_tiles(LayerBounds& bounds) const {
    constexpr std::int64_t kReach = 3;
    for (Tensor<float>& t : bounds.tops) t = largest_nearby(t, kReach);
    if (!backward()) return;
    for (Tensor<float>& t : bounds.bottom_grads) {
      if (t.shape.rank() == 4) t = largest_nearby(t, kReach);
    }
    const LayerOutputs near = on_cpu({{largest_nearby(magnitudes(inputs.bottoms[0]), kReach)},
                                      magnitudes(inputs.params),
                                      magnitudes(inputs.top_grads)});
    const Shape& y = problem.tops[0];
    const Tensor<float> s =
        scaled(near.param_grads[0], sum_bound(static_cast<double>(y.count() / y.c())));
    bounds.param_grads[0] = largest_nearby(s, std::max(s.shape[2], s.shape[3]));
  }
  LayerBounds operator()(const InnerProductParams&) const {
    const Shape &x = problem.bottoms[0], &y = problem.tops[0];
    return products(static_cast<double>(x.count_from(1)), static_cast<double>(y.c()),
                    static_cast<double>(y.n()));
  }
  LayerBounds operator()(const PoolingParams& params) const {
    const PoolingParams p = resolved(params, problem.bottoms[0]);
    const double window = static_cast<double>(p.kernel[0] * p.kernel[1]);
    Tensors tops = p.mode == PoolingMode::kMax
                       ? zeros_like(expected.tops)
                       : scaled(on_cpu({magnitudes(inputs.bottoms), {}, inputs.top_grads}).tops,
                                sum_bound(window));
    return linear_in_gradient(std::move(tops), window);
  }
  LayerBounds operator()(const ReluParams& p) const {
    return linear_in_gradient(
        p.slope == 0 ? zeros_like(expected.tops) : scaled(magnitudes(expected.tops), sum_bound(0)),
        0);
  }
  LayerBounds operator()(const DropoutParams&) const {
    return linear_in_gradient(scaled(magnitudes(expected.tops), sum_bound(0)), 0);
  }
  LayerBounds operator()(const ConcatParams&) const {
    return {zeros_like(expected.tops), zeros_like(expected.bottom_grads), {}};
  }
  LayerBounds operator()(const SplitParams&) const {
    return linear_in_gradient(zeros_like(expected.tops), static_cast<double>(problem.tops.size()));
  }

  // s is a sum of squares and so has a relative error; |dx| = |A - B| with A <= k^-beta |dy|, and
  // of magnitudes A - B is what backward gives: A + B = 2 A - (A - B) <= 2 k^-beta |dy| + |A - B|.
  LayerBounds operator()(const LrnParams& p) const {
    const bool within = p.region == LrnRegion::kWithinChannel;
    const double window = static_cast<double>(within ? p.size * p.size : p.size),
                 k = within ? 1.0 : static_cast<double>(p.k), beta = static_cast<double>(p.beta);
    const double power = (beta + 1) * sum_bound(window) + 16 * kUnit;
    LayerBounds bounds{
        .tops = scaled(magnitudes(expected.tops), power), .bottom_grads = {}, .param_grads = {}};
    if (!backward()) return bounds;
    bounds.bottom_grads = of_magnitudes().bottom_grads;
    const Tensor<float>& dy = inputs.top_grads[0];
    const double most = 2 * std::pow(k, -beta), gamma = power + sum_bound(window);
    for (std::size_t i = 0; i < dy.values.size(); ++i) {
      float& value = bounds.bottom_grads[0].values[i];
      value = static_cast<float>(gamma * (most * std::abs(static_cast<double>(dy.values[i])) +
                                          std::abs(static_cast<double>(value))));
    }
    return bounds;
  }

  // Relative error of a probability, of exp(x - max) / sum: the exponent's rounding, and the sum's.
  [[nodiscard]] double probability_error(const Tensor<float>& x) const {
    const auto [least, most] = std::ranges::minmax(x.values);
    return sum_bound(static_cast<double>(x.shape.c())) +
           4 * kUnit * (8 + static_cast<double>(most) - static_cast<double>(least));
  }
  LayerBounds operator()(const SoftmaxParams&) const {
    const double error = probability_error(inputs.bottoms[0]);
    LayerBounds bounds{
        .tops = scaled(magnitudes(expected.tops), error), .bottom_grads = {}, .param_grads = {}};
    if (!backward()) return bounds;
    // dx_i = y_i (dy_i - sum_j dy_j y_j) <= 2 y_i max |dy|, a probability in every product.
    Tensor<float> s = magnitudes(expected.tops[0]);
    double largest = 0;
    for (const float value : inputs.top_grads[0].values)
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    bounds.bottom_grads = {scaled(std::move(s), 4 * error * largest)};
    return bounds;
  }
  // loss = -sum log p / count, dx = (p - 1{label}) weight / count. With labels to ignore the count
  // may be as small as 1; without it is N at least.
  LayerBounds operator()(const SoftmaxLossParams& p) const {
    const Shape& x = problem.bottoms[0];
    const double error = probability_error(inputs.bottoms[0]),
                 labels = static_cast<double>(x.count() / x.c()),
                 count = p.has_ignore_label ? 1 : static_cast<double>(x.n()),
                 loss = std::abs(static_cast<double>(expected.tops[0].values[0]));
    LayerBounds bounds{.tops = zeros_like(expected.tops), .bottom_grads = {}, .param_grads = {}};
    bounds.tops[0].values[0] =
        static_cast<float>(error * labels / count + sum_bound(labels) * loss);
    if (!backward()) return bounds;
    bounds.bottom_grads = zeros_like(expected.bottom_grads);
    const double weight = std::abs(static_cast<double>(p.loss_weight)) / count;
    std::ranges::fill(bounds.bottom_grads[0].values, static_cast<float>(error * weight));
    return bounds;
  }
  LayerBounds operator()(const AccuracyParams&) const {
    return {zeros_like(expected.tops), {}, {}};
  }
};

}  // namespace

double sum_bound(double terms) { return 2 * kUnit * (8 * std::sqrt(terms) + 8); }

LayerBounds layer_bounds(const OpProblem& problem, const LayerInputs& inputs,
                         const LayerOutputs& expected) {
  return std::visit(Bounder{problem, inputs, expected}, problem.params);
}

}  // namespace fovea
