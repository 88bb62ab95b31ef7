#include "engine/check/other_bounds.h"

#include <algorithm>
#include <cmath>

#include "engine/backend/host_device.h"
#include "engine/check/bounds.h"
#include "kernels/ops/geometry.h"
#include "kernels/reference/taps.h"

namespace fovea {
namespace {

using reference::for_each_element;

// Below it a window is empty to the LRP Toolbox; near it two devices may take either way.
constexpr double kEmptyWindow = 1e-6;

Tensor<float> in_float(const Tensor<double>& t) {
  return {t.shape, std::vector<float>(t.values.begin(), t.values.end())};
}
double at(const Tensor<float>& t, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  return static_cast<double>(t.view()(n, c, h, w));
}

struct Window {
  WindowRange rows, columns;
  [[nodiscard]] std::int64_t count() const {
    return (rows.end - rows.begin) * (columns.end - columns.begin);
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) visit(h, w);
    }
  }
};
Window window_at(const PoolingParams& p, const Shape& x, std::int64_t i, std::int64_t j) {
  return {clipped_window(i, p.kernel[0], p.stride[0], p.pad[0], x.h()),
          clipped_window(j, p.kernel[1], p.stride[1], p.pad[1], x.w())};
}

Tensor<float> of_windows(const PoolingParams& given, const OtherCase& c) {
  const Tensor<float>&x = c.values[0], &r = c.r[0];
  const PoolingParams p = resolved(given, x.shape);
  const WindowSums sums = window_sums(p, x, r.shape);
  const bool toolbox = c.rules.average_pooling == AveragePoolingRule::kToolbox;
  const double taps = static_cast<double>(p.kernel[0] * p.kernel[1]), adding = sum_bound(taps);
  Tensor<double> bound(x.shape);
  for_each_element(r.shape, [&](auto n, auto k, auto i, auto j) {
    const Window window = window_at(p, x.shape, i, j);
    const double S = sums.sum.view()(n, k, i, j), magnitude = sums.magnitude.view()(n, k, i, j),
                 of_sum = 1.1 * sum_bound(static_cast<double>(window.count())) * magnitude;
    const double share = S == 0 ? 0 : std::abs(at(r, n, k, i, j) / S);
    double error = S == 0 ? 0 : share * (of_sum / std::abs(S) + adding);
    if (toolbox) {
      if (std::abs(S) < kEmptyWindow) error = adding;  // x itself is added
      if (std::abs(std::abs(S) - kEmptyWindow) <= of_sum) error += 1 + share;
    }
    window.each(
        [&](auto h, auto w) { bound.view()(n, k, h, w) += error * std::abs(at(x, n, k, h, w)); });
  });
  return in_float(bound);
}

// One position's messages among the channels.
class Messages {
 public:
  Messages(const LrnParams& p, const Tensor<float>& x)
      : p_(p),
        x_(x),
        a_(static_cast<double>(p.alpha) / static_cast<double>(p.size)),
        beta_(static_cast<double>(p.beta)),
        own_(x.shape),
        cross_(x.shape) {
    const auto k = static_cast<double>(p.k);
    for_each_element(x.shape, [&](auto n, auto c, auto h, auto w) {
      double squares = 0;
      near(c, [&](std::int64_t d) { squares += at(x, n, d, h, w) * at(x, n, d, h, w); });
      const double x_c = at(x, n, c, h, w);
      own_.view()(n, c, h, w) = std::pow(k + a_ * x_c * x_c, -beta_);
      cross_.view()(n, c, h, w) = 2 * a_ * beta_ * std::pow(k + a_ * squares, -beta_ - 1);
    });
    adding_ = sum_bound(static_cast<double>(p.size));
    error_ = (beta_ + 1) * adding_ + 32 * 0x1p-24;
  }

  [[nodiscard]] Tensor<float> taylor(const Tensor<float>& r) const {
    Tensor<double> bound(x_.shape);
    for_each_element(x_.shape, [&](auto n, auto c, auto h, auto w) {
      const auto message = [&](std::int64_t d) {  // over x_c
        return d == c ? own_.view()(n, c, h, w)
                      : -cross_.view()(n, c, h, w) * at(x_, n, d, h, w) * at(x_, n, d, h, w);
      };
      // A device may take the neighbours' squares for those of the window less its own.
      const double x_c = at(x_, n, c, h, w);
      double sum = 0, magnitude = cross_.view()(n, c, h, w) * x_c * x_c;
      near(c, [&](std::int64_t d) { sum += message(d), magnitude += std::abs(message(d)); });
      const double of_quotient = error_ + (error_ + adding_) * magnitude / std::abs(sum) + adding_;
      near(c, [&](std::int64_t d) {
        bound.view()(n, d, h, w) += std::abs(at(r, n, c, h, w) * message(d) / sum) * of_quotient;
      });
    });
    return in_float(bound);
  }

  [[nodiscard]] Tensor<float> toolbox(const Tensor<float>& r) const {
    Tensor<double> bound(x_.shape);
    for_each_element(x_.shape, [&](auto n, auto c, auto h, auto w) {
      const double x_c = at(x_, n, c, h, w);
      double magnitude = std::abs(at(r, n, c, h, w) * x_c) * own_.view()(n, c, h, w);
      near(c, [&](std::int64_t d) {
        if (d != c)
          magnitude += x_c * x_c * cross_.view()(n, d, h, w) *
                       std::abs(at(x_, n, d, h, w) * at(r, n, d, h, w));
      });
      bound.view()(n, c, h, w) = (error_ + adding_) * magnitude;
    });
    return in_float(bound);
  }

 private:
  template <class Visit>
  void near(std::int64_t c, Visit&& visit) const {
    const std::int64_t half = (p_.size - 1) / 2;
    for (std::int64_t d = std::max<std::int64_t>(c - half, 0);
         d <= std::min(c + half, x_.shape.c() - 1); ++d)
      visit(d);
  }

  const LrnParams& p_;
  const Tensor<float>& x_;
  double a_, beta_, adding_ = 0, error_ = 0;
  Tensor<double> own_, cross_;
};

}  // namespace

WindowSums window_sums(const PoolingParams& given, const Tensor<float>& x, const Shape& y) {
  const PoolingParams p = resolved(given, x.shape);
  WindowSums sums{Tensor<double>(y), Tensor<double>(y)};
  for_each_element(y, [&](auto n, auto c, auto i, auto j) {
    double sum = 0, magnitude = 0;
    window_at(p, x.shape, i, j).each([&](auto h, auto w) {
      sum += at(x, n, c, h, w), magnitude += std::abs(at(x, n, c, h, w));
    });
    sums.sum.view()(n, c, i, j) = sum, sums.magnitude.view()(n, c, i, j) = magnitude;
  });
  return sums;
}

bool divides_by_windows(const OpParams& op, const OtherRules& rules) {
  const auto* pool = std::get_if<PoolingParams>(&op);
  if (!pool) return false;
  return pool->mode == PoolingMode::kMax ? rules.max_pooling == MaxPoolingRule::kAverage
                                         : rules.average_pooling != AveragePoolingRule::kGradient;
}

bool is_routed(const OpParams& op, const OtherRules& rules) {
  if (std::holds_alternative<PoolingParams>(op)) return !divides_by_windows(op, rules);
  if (std::holds_alternative<LrnParams>(op)) return rules.lrn == LrnRule::kGradient;
  return std::holds_alternative<ConcatParams>(op);
}

std::vector<Tensor<float>> other_bounds(const OtherCase& c) {
  const OpParams& op = c.node->op;
  const LayerInputs inputs{.bottoms = c.values, .params = {}, .top_grads = c.r};
  const auto on_cpu = [&](bool backward) {
    return run_layer("cpu", *open_host_device(), c.problem, inputs, backward);
  };
  if (is_routed(op, c.rules)) return layer_bounds(c.problem, inputs, on_cpu(true)).bottom_grads;
  if (std::holds_alternative<SoftmaxParams>(op))
    return layer_bounds(c.problem, inputs, on_cpu(false)).tops;
  if (const auto* pool = std::get_if<PoolingParams>(&op)) return {of_windows(*pool, c)};
  if (const auto* lrn = std::get_if<LrnParams>(&op); lrn && c.rules.lrn != LrnRule::kIdentity) {
    const Messages messages(*lrn, c.values[0]);
    return {c.rules.lrn == LrnRule::kTaylor ? messages.taylor(c.r[0]) : messages.toolbox(c.r[0])};
  }
  Tensor<float> bound(c.values[0].shape);
  if (std::holds_alternative<SplitParams>(op)) {
    const double adding = sum_bound(static_cast<double>(c.r.size()));
    for (const Tensor<float>& top : c.r) {
      for (std::size_t i = 0; i < bound.values.size(); ++i)
        bound.values[i] +=
            static_cast<float>(adding * std::abs(static_cast<double>(top.values[i])));
    }
  }
  return {bound};
}

}  // namespace fovea
